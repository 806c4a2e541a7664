# escape=`
FROM alpine
COPY <<EOF /x
\$A `$A
EOF
