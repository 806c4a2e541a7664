FROM alpine
ENV A=${FILE#\a} B=${FILE%\z} C=${FILE//\q/x}
