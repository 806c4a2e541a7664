FROM Alpine:UPPER/x
