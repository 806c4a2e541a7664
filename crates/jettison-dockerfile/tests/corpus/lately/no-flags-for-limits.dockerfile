FROM alpine
RUN --memory=1g true
