#!/bin/sh
set -e
# Only what was deployed is deleted.
test "$(cat "$HOME/shop/dbms/data/$name/address")" = "$address"
rm -r "$HOME/shop/dbms/data/$name"
