FROM alpine
ARG HTTP_PROXY https_proxy FTP_PROXY no_proxy ALL_PROXY
RUN x
