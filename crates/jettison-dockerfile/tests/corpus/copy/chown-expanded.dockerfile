FROM alpine
COPY --chown=${NOPE:?message} a b
