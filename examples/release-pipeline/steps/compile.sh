#!/bin/sh
# Compiles one file of the sources: compile.sh src/NAME.c
set -eu
cd "$DIR"
object="$DIR/build/$(basename "$1" .c).o"
cc -std=c99 -O2 -Wall -Wextra -DVERSION="\"$VERSION\"" -c "$1" -o "$object"
echo "object=$object"
