# base	described
FROM alpine AS base
