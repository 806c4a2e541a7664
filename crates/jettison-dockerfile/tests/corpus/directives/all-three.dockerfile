# syntax=docker/dockerfile:1
# escape=`
# check=skip=all;error=false
FROM alpine
RUN a `
 b
