# base the common part
FROM alpine AS base
# other not about this
FROM alpine AS final
