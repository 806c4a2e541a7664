FROM alpine
ENV A=${FILE#?r} B=${FILE%?gz} C=${FILE//?r/_} D=${FILE/[ar]/x} E=${LINES#*} F=${LINES##*}
