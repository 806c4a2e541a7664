FROM alpine
RUN echo "a  b" && ls -l | wc   -l
