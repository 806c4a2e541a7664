FROM alpine
RUN ['a', 'b']
RUN ["a", 1]
RUN ["a"
RUN [] x
