ARG A=alpine
FROM $A AS one
ARG B=alpine
FROM ${B:-debian}
