FROM alpine
RUN cat 0<<A 3<<B 12<<-C
a
A
b
B
	c
	C
