FROM alpine
COPY a ${NOPE:?message}
