FROM alpine
COPY \
  --chown=1 \
  --link \
  a b
