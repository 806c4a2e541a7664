FROM alpine
ENV A=${ONE:-d} B=${EMPTY:-d} C=${NOPE:-d} D=${NOPE:-}
