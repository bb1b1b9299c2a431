#!/bin/sh
set -e
grep -q ' at db://' "$HOME/shop/web/pages/index.html" # it is configured
# Each start has a till of its own, and whoever stops the shop must name it.
number="till-$$"
echo "$number" >"$HOME/shop/web/till"
address="http://front:$port/"
