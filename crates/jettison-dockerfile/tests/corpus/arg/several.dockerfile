ARG A B=2 C="3 4"
FROM alpine
ARG A
ARG D= E='x'
