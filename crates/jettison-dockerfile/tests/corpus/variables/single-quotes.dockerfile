FROM alpine
ENV A='$ONE' B='\' C='a'b'c'
