FROM alpine
HEALTHCHECK --timeout=3 CMD a
