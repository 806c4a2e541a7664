FROM alpine AS one
ARG A=1
ENV B=2
FROM one
ENV C=$A$B
