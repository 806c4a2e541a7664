FROM alpine
ARG DIR=/d
RUN --mount=type=cache,target=${DIR},id=$DIR true
