FROM alpine
ADD --unpack=true https://example.com/a.tar /b
ADD --unpack=false a.tar /b
