# one
  # two
FROM alpine
	# three
RUN echo a # no comment
