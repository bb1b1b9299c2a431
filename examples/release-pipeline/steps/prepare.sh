#!/bin/sh
# Makes a folder for this run and puts the sources into it.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$SCRATCH/$GORCH_RUN/build"
dir=$(cd "$SCRATCH/$GORCH_RUN" && pwd)
cp -R "$here/src" "$here/tests" "$here/data" "$dir/"
echo "dir=$dir"
echo "version=$(cat "$here/VERSION")"
