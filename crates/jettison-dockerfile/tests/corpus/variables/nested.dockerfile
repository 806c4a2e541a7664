FROM alpine
ENV A=${NOPE:-${ALSO:-$ONE}} B=${ONE:+${TWO:+deep}} C=${FILE%${NOPE:-.gz}}
