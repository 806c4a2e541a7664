FROM alpine
ENV A=${FILE%.*} B=${FILE%%.*} C=${DIR%/*} D=${DIR%%/*}x
