FROM alpine
COPY <<a.b-c/d <<$E /x/
1
a.b-c/d
2
$E
