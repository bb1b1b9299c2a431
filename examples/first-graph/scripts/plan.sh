#!/bin/sh
# Decides where the site goes and how large it is.
set -eu
export "$@"
echo "planning the site $SITE"
echo "region=north"
echo "size=20"
