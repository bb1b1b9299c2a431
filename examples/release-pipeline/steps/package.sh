#!/bin/sh
# Packs the program with its version and the text that it was tried on.
set -eu
name="tally-$VERSION"
mkdir -p "$DIR/$name"
cp "$PROGRAM" "$DIR/data/lighthouse.txt" "$DIR/$name/"
echo "$VERSION" > "$DIR/$name/VERSION"
archive="$DIR/$name.tar.gz"
tar -C "$DIR" -czf "$archive" "$name"
echo "archive=$archive"
echo "bytes=$(wc -c < "$archive" | tr -d ' ')"
