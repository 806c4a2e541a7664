FROM alpine
RUN one \
