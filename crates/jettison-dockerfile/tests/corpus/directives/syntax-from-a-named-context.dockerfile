# syntax=my/frontend
FROM alpine
COPY --from=my/frontend /a /b
