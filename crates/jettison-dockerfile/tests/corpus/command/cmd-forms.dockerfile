FROM alpine
CMD ["a", "b c"]
CMD a "b c"
