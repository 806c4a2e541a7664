FROM alpine
ENV A=${STARS#'a*'} B="${STARS#"a*b"}" C=${BACK#'C:\'}
