FROM alpine
R\
UN true
