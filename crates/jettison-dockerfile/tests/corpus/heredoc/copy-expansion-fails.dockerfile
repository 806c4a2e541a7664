FROM alpine
COPY <<EOF /x
${NOPE:?message}
EOF
