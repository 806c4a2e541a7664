# colour=red
# escape=`
FROM alpine
RUN a \
 b
