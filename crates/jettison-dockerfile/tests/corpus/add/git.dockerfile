FROM alpine
ADD git@github.com:moby/buildkit.git#v0.1:docs /b
ADD https://github.com/moby/buildkit.git?tag=v1&subdir=x /c
