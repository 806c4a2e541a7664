FROM alpine
RUN one \
# and the end
