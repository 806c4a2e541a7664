# VERSION of the base
ARG VERSION=3
FROM alpine:${VERSION}
