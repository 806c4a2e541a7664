FROM alpine
HEALTHCHECK --interval=0 --timeout=0s CMD a
