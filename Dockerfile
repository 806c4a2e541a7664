FROM scratch
COPY . /x/
