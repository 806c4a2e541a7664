FROM alpine
RUN --device=vendor.com/class=one a
RUN --device=x,required=false --device=y b
