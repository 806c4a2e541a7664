FROM alpine AS base
ONBUILD ENV A=1
FROM base
RUN x
