ARG A=${NOPE:?message}
FROM alpine
