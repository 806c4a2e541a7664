FROM alpine
ENV A="${ONE" B=${ C="${ONE:-x"
