FROM alpine
COPY <<E <<E /x/
1
E
2
E
