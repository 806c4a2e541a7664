FROM --platform=${NOPE:?message} alpine
