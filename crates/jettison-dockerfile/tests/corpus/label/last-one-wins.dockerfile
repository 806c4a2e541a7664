FROM alpine
LABEL a=1 a=2
LABEL a=3
