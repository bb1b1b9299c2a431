#!/bin/sh
# Links objects: link.sh NAME OBJECT=FILE...
set -eu
program="$DIR/build/$1"
shift
for object; do
    set -- "$@" "${object#OBJECT=}"
    shift
done
cc "$@" -o "$program"
echo "program=$program"
echo "bytes=$(wc -c < "$program" | tr -d ' ')"
