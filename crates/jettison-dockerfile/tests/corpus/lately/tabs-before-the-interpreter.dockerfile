FROM alpine
RUN <<-"EOF"
		#!/usr/bin/env -S sh -eu
		echo $0
	EOF
