#!/bin/sh
set -e
test ! -e "$HOME/shop/dbms/state" # it was stopped
rm -r "$HOME/shop/dbms"
rmdir "$HOME/shop"
