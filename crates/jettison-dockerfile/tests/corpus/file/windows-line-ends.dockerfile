FROM alpine
RUN echo one \
  two
COPY <<EOF /x
line
EOF
