FROM alpine
ARG A=${NOPE:?message}
