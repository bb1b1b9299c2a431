#!/bin/sh
set -e
echo "$user" >>"$HOME/shop/dbms/data/$name/users"
