FROM alpine
ENV A=${ONE?no} B=${EMPTY?no} C=${NOPE?missing} D=${NOPE?}
