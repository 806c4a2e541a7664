FROM alpine
ENV A=${NOPE:-'a}b'} B=${NOPE:-"c}d"} C=${NOPE:-e\}f}
