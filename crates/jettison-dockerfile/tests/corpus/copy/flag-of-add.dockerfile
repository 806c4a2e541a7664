FROM alpine
COPY --checksum=sha256:0 a b
