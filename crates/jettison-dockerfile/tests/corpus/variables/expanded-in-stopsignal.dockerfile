FROM alpine
STOPSIGNAL ${NOPE:?message}
