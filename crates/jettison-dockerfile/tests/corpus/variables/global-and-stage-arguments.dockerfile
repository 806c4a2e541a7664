ARG A=1
ARG B=${A}2
FROM alpine:$B
ARG A
ARG C=${A}${B}
ENV D=$C
