FROM al\
pine
RUN o\
ne
