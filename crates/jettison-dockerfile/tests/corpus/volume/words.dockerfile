FROM alpine
VOLUME /a /b
