FROM alpine
ENV A=${FILE/a}
