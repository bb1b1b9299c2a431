#!/bin/sh
# Installs the server: here a folder that stands for it.
set -e
mkdir -p "$HOME/shop/dbms/data"
echo "1.0" >"$HOME/shop/dbms/version"
