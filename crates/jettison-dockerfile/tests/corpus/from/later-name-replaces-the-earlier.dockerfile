FROM alpine AS a
FROM debian AS a
FROM a
COPY --from=A /x /x
