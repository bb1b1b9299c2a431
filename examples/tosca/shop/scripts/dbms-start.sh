#!/bin/sh
set -e
test -e "$HOME/shop/dbms/settings" # it is configured
echo running >"$HOME/shop/dbms/state"
