# base lost
#
FROM alpine AS base
