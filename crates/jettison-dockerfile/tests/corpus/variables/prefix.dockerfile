FROM alpine
ENV A=${FILE#*.} B=${FILE##*.} C=${DIR#/usr} D=${FILE#nope} E=${DIR##*/}
