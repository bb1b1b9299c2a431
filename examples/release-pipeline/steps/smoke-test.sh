#!/bin/sh
# The finished program on a real text; what it prints are the outputs of this node.
set -eu
[ "$("$PROGRAM" --version)" = "tally $VERSION" ]
"$PROGRAM" "$DIR/data/lighthouse.txt"
