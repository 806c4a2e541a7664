#!/bin/sh
# Files that derived images put into Maven's reference directory are copied to where Maven looks for them.
set -eu
if [ -n "${MAVEN_CONFIG:-}" ] && [ -d /usr/share/maven/ref ]; then
    mkdir -p "$MAVEN_CONFIG" && cp -rn /usr/share/maven/ref/. "$MAVEN_CONFIG"
    unset MAVEN_CONFIG
fi
exec "$@"
