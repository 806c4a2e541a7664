FROM alpine
RUN python3 <<EOF && echo done
print(1)
EOF
