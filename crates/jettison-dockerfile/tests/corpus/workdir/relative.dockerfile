FROM alpine
WORKDIR /a
WORKDIR b/../c
WORKDIR with blank
