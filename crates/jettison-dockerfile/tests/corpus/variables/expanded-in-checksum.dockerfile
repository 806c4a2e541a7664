FROM alpine
ADD --checksum=${NOPE:?message} https://example.com/a /b
