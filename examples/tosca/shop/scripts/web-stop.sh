#!/bin/sh
set -e
rm "$HOME/shop/web/state"
