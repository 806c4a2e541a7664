FROM alpine AS first
COPY --from=later /a /b
FROM alpine AS later
FROM first
