#!/bin/sh
# Deploys to two hosts; the second one has trouble unless HEALTHY is yes.
echo "web-1 runs $VERSION"
if [ "$HEALTHY" != yes ]; then
    echo "web-2: no space left for $VERSION" >&2
    exit 3
fi
echo "web-2 runs $VERSION"
echo "hosts=2"
