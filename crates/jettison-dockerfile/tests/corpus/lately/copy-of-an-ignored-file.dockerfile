FROM alpine
COPY .git /x
COPY . /all
