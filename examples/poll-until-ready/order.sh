#!/bin/sh
# Orders something that takes a while; the ticket is a file that counts how often somebody asked.
set -eu
mkdir -p "$SCRATCH"
ticket="$(cd "$SCRATCH" && pwd)/$GORCH_RUN"
echo 0 > "$ticket"
echo "ticket=$ticket"
