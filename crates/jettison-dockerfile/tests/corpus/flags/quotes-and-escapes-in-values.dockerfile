FROM alpine
RUN --mount="type=cache,target=/a b" x
COPY --exclude=a\ b --exclude='c d' a b
