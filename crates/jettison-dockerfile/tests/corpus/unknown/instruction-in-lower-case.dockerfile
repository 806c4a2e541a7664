FROM alpine
wokdir /a
