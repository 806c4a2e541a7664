ARG A
FROM ${NOPE:?message}
