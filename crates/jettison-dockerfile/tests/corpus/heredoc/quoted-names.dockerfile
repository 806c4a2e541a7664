FROM alpine
COPY <<"A" <<'B' <<C"D" <<E'' /x/
$1
A
$2
B
$3
CD
$4
E
