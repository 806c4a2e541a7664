#!/bin/sh
# Writes the settings from the environment, then becomes the command.
set -eu

: "${CACHE_PORT:=6379}"
: "${CACHE_MEMORY:=32mb}"
: "${CACHE_POLICY:=allkeys-lru}"
: "${CACHE_PASSWORD:=}"

# "-p 1234", or no more than options: for redis-server
if [ "${1#-}" != "$1" ]; then
    set -- redis-server "$@"
fi

if [ "$1" = redis-server ]; then
    sed -e "s/@PORT@/$CACHE_PORT/" \
        -e "s/@MEMORY@/$CACHE_MEMORY/" \
        -e "s/@POLICY@/$CACHE_POLICY/" /etc/cache/redis.conf.in >/tmp/redis.conf
    if [ -n "$CACHE_PASSWORD" ]; then
        echo "requirepass $CACHE_PASSWORD" >>/tmp/redis.conf
    fi
    for extra in /etc/cache/conf.d/*.conf; do
        if [ -f "$extra" ]; then
            echo "include $extra" >>/tmp/redis.conf
        fi
    done
    command=$1
    shift
    set -- "$command" /tmp/redis.conf "$@"
fi

exec "$@"
