FROM alpine
ENV A=1
COPY <<EOF /x
"$A" '${A}' \$A `x`
EOF
