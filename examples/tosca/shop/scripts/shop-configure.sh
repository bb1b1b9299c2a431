#!/bin/sh
set -e
# The relationship has put it there.
sed -i "s|DATABASE|$(cat "$HOME/shop/web/pages/connection")|" "$HOME/shop/web/pages/index.html"
