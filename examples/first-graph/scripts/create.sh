#!/bin/sh
# Makes one part of the site: takes KIND and whatever it is built on, puts out its id and address.
set -eu
export "$@"
echo "creating the $KIND on:" "$@"
sleep 0.2
echo "id=$KIND-1"
echo "address=$KIND.example:80"
