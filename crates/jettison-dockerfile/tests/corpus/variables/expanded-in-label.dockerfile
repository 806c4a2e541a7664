FROM alpine
LABEL a=${NOPE:?message}
