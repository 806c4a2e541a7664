FROM alpine
WORKDIR ${NOPE:?message}
