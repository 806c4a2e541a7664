ARG SOURCE_DATE_EPOCH=src
FROM scratch AS src
ADD https://example.com/a.git /
FROM alpine
COPY --from=src / /
