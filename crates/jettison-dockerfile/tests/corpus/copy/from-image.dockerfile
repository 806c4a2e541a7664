FROM alpine
COPY --from=docker.io/library/nginx:1 /a /b
