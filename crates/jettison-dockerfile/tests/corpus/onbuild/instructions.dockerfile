FROM alpine
ONBUILD RUN a
onbuild copy --from=x a b
ONBUILD CMD ["a"]
