FROM alpine
MAINTAINER A "B" <c@d>
