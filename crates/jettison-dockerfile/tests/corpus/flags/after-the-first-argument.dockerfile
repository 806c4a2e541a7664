FROM alpine
RUN echo --network=none
