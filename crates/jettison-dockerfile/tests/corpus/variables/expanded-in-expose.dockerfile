FROM alpine
EXPOSE ${NOPE:?message}
