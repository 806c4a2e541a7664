FROM alpine
ENV A=\$ONE B="\$ONE" C=\\$ONE D=$ E=a$ F="$"
