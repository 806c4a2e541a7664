#!/bin/sh
# /etc/nginx/templates/NAME.template, with variables replaced, becomes /etc/nginx/conf.d/NAME.
set -e
[ -d /etc/nginx/templates ] || exit 0
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    [ -f "$template" ] || continue
    envsubst "$names" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
