#!/bin/sh
set -eu
rm "$TICKET"
echo "result=ready after $POLLS polls"
