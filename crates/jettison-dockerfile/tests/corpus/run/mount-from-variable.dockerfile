FROM alpine AS a
FROM alpine
ARG FROM_=a
RUN --mount=type=bind,from=$FROM_,target=/x true
