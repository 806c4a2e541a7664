FROM alpine
RUN --mount=type=cache,target=${NOPE:?message} x
