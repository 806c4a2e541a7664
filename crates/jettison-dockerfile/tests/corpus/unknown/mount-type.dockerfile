FROM alpine
RUN --mount=type=cachee,target=/x true
