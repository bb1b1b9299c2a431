#!/bin/sh
# The test program says `passed=N` itself.
exec "$PROGRAM"
