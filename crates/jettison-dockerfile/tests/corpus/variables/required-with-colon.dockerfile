FROM alpine
ENV A=${ONE:?no} B="${EMPTY:?is empty}" C="${NOPE:?is missing}" D=${NOPE:?}
