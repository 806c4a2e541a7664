FROM alpine
COPY <<one <<two file /dir/
1
one
2
2
two
RUN x
