#!/bin/sh
# Fails unless everything that came before did its part.
set -eu
export "$@"
[ "$URL" = "http://application.example:80/" ]
[ "$TABLES" -eq 3 ]
echo "result=$URL is up with $TABLES tables"
