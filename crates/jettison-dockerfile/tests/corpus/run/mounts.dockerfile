FROM alpine AS a
FROM alpine
RUN --mount=type=bind,from=a,source=/x,target=/y,rw --mount=target=/z --mount=type=cache,target=/c,id=i,sharing=locked,mode=0755,uid=1,gid=2 --mount=type=tmpfs,target=/t,size=64m --mount=type=secret,id=s,required,env=S --mount=type=ssh true
