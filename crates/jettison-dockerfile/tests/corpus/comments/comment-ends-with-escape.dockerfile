FROM alpine
# a comment \
RUN true
