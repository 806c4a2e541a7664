FROM alpine AS me
COPY --from=ME /a /b
