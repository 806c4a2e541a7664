FROM alpine
ADD ${NOPE:?message} /x
