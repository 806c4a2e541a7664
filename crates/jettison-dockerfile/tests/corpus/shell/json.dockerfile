FROM alpine
SHELL ["/bin/bash", "-c"]
RUN x
