#!/bin/sh
set -e
test -e "$HOME/shop/dbms/version" # it is installed
echo "port=$port" >"$HOME/shop/dbms/settings"
