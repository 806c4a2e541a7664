FROM alpine
RUN <<E
FROM x
# comment
RUN y \
E
RUN z
