FROM alpine
ARG no_proxy=a
ARG NO_PROXY=b
RUN echo $NO_PROXY
