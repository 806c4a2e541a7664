# escape=`
FROM alpine
ENV A=`$ONE B="`$ONE" C=\$ONE D=``$ONE E="a`b"
