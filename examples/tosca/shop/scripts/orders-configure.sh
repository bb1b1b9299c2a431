#!/bin/sh
set -e
# Those who may use it were let in before.
test -s "$HOME/shop/dbms/data/$name/users"
for table in articles orders; do
    : >"$HOME/shop/dbms/data/$name/${prefix}_$table"
done
# A variable of the name of an attribute is its value.
address="db://back:$port/$name"
echo "$address" >"$HOME/shop/dbms/data/$name/address"
