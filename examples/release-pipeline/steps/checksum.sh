#!/bin/sh
set -eu
cd "$(dirname "$ARCHIVE")"
sha256sum "$(basename "$ARCHIVE")" > "$ARCHIVE.sha256"
sha256sum -c "$ARCHIVE.sha256"
echo "sha256=$(cut -d' ' -f1 "$ARCHIVE.sha256")"
