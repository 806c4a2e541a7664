FROM alpine AS deps
FROM alpine
COPY --from=deps /a /b
