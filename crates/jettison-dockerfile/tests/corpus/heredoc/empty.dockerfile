FROM alpine
COPY <<E /x
E
