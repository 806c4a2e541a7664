

FROM alpine
   
	
RUN true

