FROM alpine
VOLUME ${NOPE:?message}
