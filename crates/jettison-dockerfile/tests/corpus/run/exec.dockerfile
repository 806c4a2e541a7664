FROM alpine
RUN ["/bin/sh", "-c", "echo \"hi\" \u00e9"]
