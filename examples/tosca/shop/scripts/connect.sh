#!/bin/sh
set -e
echo "$user at $address" >"$HOME/shop/web/pages/connection"
