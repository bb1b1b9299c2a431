#!/bin/sh
set -e
test ! -e "$HOME/shop/web/till" # it was stopped
rm -r "$HOME/shop/web/pages"
