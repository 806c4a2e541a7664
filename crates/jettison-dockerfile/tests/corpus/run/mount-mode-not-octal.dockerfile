FROM alpine
RUN --mount=type=cache,target=/x,mode=9 true
