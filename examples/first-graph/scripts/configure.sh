#!/bin/sh
# Tells the application where its database is.
set -eu
export "$@"
echo "the application at $APPLICATION now uses $DATABASE"
echo "url=http://$APPLICATION/"
