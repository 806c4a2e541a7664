FROM alpine
ENV A=${NOPE:?message}
