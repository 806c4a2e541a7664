FROM alpine
LABEL naïve="größe 大きさ"
RUN echo 😀
