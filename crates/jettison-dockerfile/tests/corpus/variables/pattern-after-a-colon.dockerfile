FROM alpine
ENV A=${FILE:#a} B=${FILE:%a} C=${FILE:x} D=${FILE!} E=${FILE^^}
