FROM alpine
ENTRYPOINT ["a"]
CMD ["b"]
ENTRYPOINT ["c"]
