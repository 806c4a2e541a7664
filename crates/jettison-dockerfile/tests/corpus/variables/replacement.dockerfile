FROM alpine
ENV A=${FILE/a/A} B=${FILE//a/A} C=${DIR//\//:} E=${FILE/.*/} F=${NOPE/a/b}
