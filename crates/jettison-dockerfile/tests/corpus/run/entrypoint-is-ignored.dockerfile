FROM alpine
ENTRYPOINT ["false"]
RUN true
