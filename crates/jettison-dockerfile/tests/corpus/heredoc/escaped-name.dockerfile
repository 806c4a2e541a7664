FROM alpine
COPY <<\EOF /x
$1
EOF
