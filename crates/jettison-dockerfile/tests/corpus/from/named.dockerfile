from alpine as Builder
FROM alpine aS final-1.2_x
