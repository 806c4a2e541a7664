FROM alpine
COPY --chmod=${NOPE:?message} a b
