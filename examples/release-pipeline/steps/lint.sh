#!/bin/sh
# Every warning is an error here.
set -eu
cd "$DIR"
cc -std=c99 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Werror -DVERSION="\"$VERSION\"" \
    src/*.c tests/*.c
set -- src/*.c tests/*.c
echo "files=$#"
