# first line
# A the right line
# A a later line
ARG A
FROM alpine
