FROM alpine
RUN -- --network=none
COPY --link -- --a --b
