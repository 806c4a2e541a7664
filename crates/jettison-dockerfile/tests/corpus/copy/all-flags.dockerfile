FROM alpine AS x
FROM alpine
COPY --from=x --chown=1:2 --chmod=u+x --link --parents --exclude=*.md --exclude=**/t a /b
