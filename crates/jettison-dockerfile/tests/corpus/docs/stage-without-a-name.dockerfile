# alpine described
FROM alpine
