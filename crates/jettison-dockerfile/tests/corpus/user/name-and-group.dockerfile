FROM alpine
USER app:staff
USER 1000
