FROM alpine
RUN --security=unsafe true
