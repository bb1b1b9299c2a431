#!/bin/sh
set -e
test "$(cat "$HOME/shop/web/state")" = running # its server has started
sed "s/TITLE/$title/" page.html >"$HOME/shop/web/pages/index.html"
