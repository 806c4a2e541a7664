FROM alpine
RUN <<-EOF
  EOF
	EOF
