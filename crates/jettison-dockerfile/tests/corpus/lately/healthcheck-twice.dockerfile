FROM alpine
HEALTHCHECK --retries=2 CMD ["a", "--b"]
HEALTHCHECK NONE
