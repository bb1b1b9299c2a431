#!/bin/sh
set -e
test "$(cat "$HOME/shop/web/till")" = "$till"
rm "$HOME/shop/web/till"
