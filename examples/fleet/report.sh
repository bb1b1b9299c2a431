#!/bin/sh
for found in "$WEB1" "$WEB2"; do
    [ "$found" = "$WANTED" ] || { echo "a host serves $found, expected $WANTED" >&2; exit 1; }
done
echo "result=$WANTED is served by $HOSTS hosts"
