FROM alpine
ENV A=${ONE:+y} B=${EMPTY:+y} C=${NOPE:+y}
