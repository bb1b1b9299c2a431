#!/bin/sh
set -e
mkdir -p "$HOME/shop/web/pages"
