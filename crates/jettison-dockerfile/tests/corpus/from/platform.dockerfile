FROM --platform=linux/arm64 alpine
FROM --platform=$BUILDPLATFORM alpine AS b
