FROM alpine
RUN cat \
  <<A \
  <<B
1
A
2
B
