FROM alpine
RUN echo ${NOPE:?message} $(date) `id`
