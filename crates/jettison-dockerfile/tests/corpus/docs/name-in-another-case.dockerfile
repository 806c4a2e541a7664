# BASE described
FROM alpine AS BASE
