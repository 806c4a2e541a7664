FROM alpine
ENV A="${FILE//?r/<\$0>}" B="${FILE/?r/<\$0>}"
