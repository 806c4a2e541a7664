FROM alpine
ENV A=<<EOF
LABEL b=<<EOF
CMD cat <<EOF
