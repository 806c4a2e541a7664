FROM alpine
COPY --link=false --parents=FALSE a b
