FROM alpine
RUN --security=sandbox a
RUN --security=insecure b
