#!/bin/sh
set -e
test "$(cat "$HOME/shop/dbms/state")" = running # its server has started
mkdir "$HOME/shop/dbms/data/$name"
