FROM alpine
ENV A=${STARS#a\*} B=${STARS%\?c} C=${BACK#*\\} D=${STARS/\*/\}} E="${DIR/\/usr/}"
