FROM alpine
RUN --network=none --mount=type=tmpfs,target=/t <<EOF
a
EOF
