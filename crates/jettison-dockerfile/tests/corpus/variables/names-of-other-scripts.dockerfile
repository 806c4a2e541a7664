FROM alpine
ENV A=$größe B=${größe} C=$größe-x D=$한국
