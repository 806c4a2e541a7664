FROM alpine
ENV A="${NOPE:-"quoted ${TWO}"}"
