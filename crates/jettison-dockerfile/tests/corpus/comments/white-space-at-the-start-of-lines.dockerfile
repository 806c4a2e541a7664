  FROM alpine
	RUN one \
    two \
	three
