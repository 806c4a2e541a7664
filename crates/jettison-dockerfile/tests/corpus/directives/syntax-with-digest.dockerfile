# syntax=docker.io/docker/dockerfile:1.7-labs@sha256:e87caa74dcb7d46cd820352bfea12591f3dba3ddc4285e19c7dcd13359f7cefd
FROM alpine
