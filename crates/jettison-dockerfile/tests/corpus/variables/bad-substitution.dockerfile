FROM alpine
ENV A=${} B=${{ONE}} C=${:-x}
