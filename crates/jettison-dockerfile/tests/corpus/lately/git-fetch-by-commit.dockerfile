FROM alpine
ADD https://github.com/moby/buildkit.git?ref=master&fetch-by-commit=true&commit=e87caa74dcb7d46cd820352bfea12591f3dba3dd /x
