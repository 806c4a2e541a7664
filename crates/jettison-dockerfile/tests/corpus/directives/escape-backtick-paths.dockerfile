# escape=`
FROM alpine
COPY a C:\\dir\
RUN b
