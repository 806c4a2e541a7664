FROM alpine
CMD ["${NOPE:?message}"]
ENTRYPOINT ${NOPE:?message}
