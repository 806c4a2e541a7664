FROM alpine
COPY --exclude=${NOPE:?message} a b
