FROM alpine
HEALTHCHECK --interval=5m --timeout=3s --start-period=1h2m3.5s --start-interval=100ms --retries=3 CMD curl -f http://localhost/ || exit 1
HEALTHCHECK cmd ["a", "b"]
