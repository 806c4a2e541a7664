FROM alpine AS x
FROM alpine
ARG S=x
COPY --from=$S /a /b
