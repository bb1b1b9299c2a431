#!/bin/sh
set -e
echo running >"$HOME/shop/web/state"
