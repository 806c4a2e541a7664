FROM alpine
WORKDIR --create=true /a
