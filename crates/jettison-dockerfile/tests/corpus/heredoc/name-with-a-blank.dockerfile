FROM alpine
COPY <<'a b' /x
1
a b
