ARG A
LABEL a=b
FROM alpine
