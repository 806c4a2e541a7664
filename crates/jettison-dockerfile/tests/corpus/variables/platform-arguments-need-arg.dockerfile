FROM alpine
ENV A=${TARGETOS:?message}
