#!/bin/sh
# What is no command is for node: options, and scripts that cannot be executed.
set -e
for_node=no
case $1 in -*) for_node=yes ;; esac
[ -n "$(command -v "$1")" ] || for_node=yes
if [ -f "$1" ] && [ ! -x "$1" ]; then for_node=yes; fi
[ "$for_node" = no ] || set -- node "$@"
exec "$@"
