FROM alpine
ENV N=NAME
ENV $N=1 "${N}"2=3
