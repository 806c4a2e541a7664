FROM alpine
HEALTHCHECK --interval=5s CMD ${NOPE:?message}
SHELL ["${NOPE:?message}"]
ONBUILD ENV A=${NOPE:?message}
MAINTAINER ${NOPE:?message}
