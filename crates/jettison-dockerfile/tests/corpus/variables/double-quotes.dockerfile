FROM alpine
ENV A="\"" B="\a" C="\\" D="it's" E="\$ONE"
