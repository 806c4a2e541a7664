FROM alpine
ENV A=1 B="2 3" C=4\ 5 D='6'
