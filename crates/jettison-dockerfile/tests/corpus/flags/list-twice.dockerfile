FROM alpine
COPY --exclude=a --exclude=b a b
