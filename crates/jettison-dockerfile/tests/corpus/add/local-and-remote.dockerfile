FROM alpine
ADD a.tar.gz https://example.com/x /dir/
