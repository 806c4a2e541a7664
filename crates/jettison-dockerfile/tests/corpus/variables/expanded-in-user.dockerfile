FROM alpine
USER ${NOPE:?message}
