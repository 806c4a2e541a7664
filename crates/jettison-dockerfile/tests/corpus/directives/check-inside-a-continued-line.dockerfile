FROM alpine
CMD a \
# check=skip=all
 b
