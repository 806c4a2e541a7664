FROM alpine
WORKDIR ["/a"]
