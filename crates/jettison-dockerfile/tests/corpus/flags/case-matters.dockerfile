FROM alpine
COPY --FROM=a a b
