FROM alpine AS Deps
FROM alpine
RUN --mount=from=DEPS,target=/x true
