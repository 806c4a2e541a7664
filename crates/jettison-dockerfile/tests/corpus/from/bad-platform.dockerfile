FROM --platform=a/b/c/d/e alpine
