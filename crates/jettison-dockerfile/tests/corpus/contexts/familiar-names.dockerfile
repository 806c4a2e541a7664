FROM docker.io/library/alpine:latest AS a
FROM alpine
COPY --from=alpine:latest /a /b
