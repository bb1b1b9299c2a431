#!/bin/sh
set -e
rm "$HOME/shop/dbms/state"
# Nobody's data may be there any more.
rmdir "$HOME/shop/dbms/data"
