ARG NAME=alpine TAG=3
ARG P=linux/amd64
FROM --platform=${P} ${NAME}:${TAG} AS x
