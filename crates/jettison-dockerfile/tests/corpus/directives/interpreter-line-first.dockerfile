#!/usr/bin/env docker build
# syntax=docker/dockerfile:1
FROM alpine
