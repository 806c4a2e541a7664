FROM alpine
RUN echo $((1<<2)) && echo 1 <<
