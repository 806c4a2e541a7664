FROM alpine
ENV A=$1 B=$@ C=$# D=$? E=$* F=$- G=$! H=$0 I=${12} J=$10x K=$$
