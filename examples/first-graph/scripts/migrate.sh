#!/bin/sh
# Fills an empty database.
set -eu
export "$@"
echo "migrating $DATABASE"
sleep 0.1
echo "tables=3"
