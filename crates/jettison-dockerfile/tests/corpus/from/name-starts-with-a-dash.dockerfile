FROM alpine AS -a
