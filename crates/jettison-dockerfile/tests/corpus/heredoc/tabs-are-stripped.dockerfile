FROM alpine
RUN <<-EOF
		echo a
	  echo b
		EOF
COPY <<-EOF /x
	a

		b
	EOF
