FROM alpine
RUN one \


 two \
  
 three
ENV A=1 \

 B=2
