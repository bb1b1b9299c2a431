#!/bin/sh
set -e
test ! -e "$HOME/shop/web/state" # it was stopped
rm -r "$HOME/shop"
