FROM alpine AS first
RUN --mount=from=later,target=/x true
FROM alpine AS later
FROM first
