FROM alpine
RUN <<-EOF
	#!/bin/sh
	echo a
	EOF
