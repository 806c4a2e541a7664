FROM alpine
RUN one \
# gone
  two \
   # gone too
  three
