FROM alpine
RUNN true
