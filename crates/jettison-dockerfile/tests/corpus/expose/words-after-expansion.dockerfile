FROM alpine
ENV P="80 90"
EXPOSE $P 1${P}
