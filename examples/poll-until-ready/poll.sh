#!/bin/sh
# Asks once. The choice decides which edge fires.
set -eu
polls=$(($(cat "$TICKET") + 1))
echo "$polls" > "$TICKET"
echo "asked $polls times"
if [ "$polls" -lt "$POLLS" ]; then choice=again; else choice=ready; fi
# Outputs can be lines of stdout or, as here, a JSON object in this file.
echo "{\"choice\": \"$choice\", \"polls\": $polls}" > "$GORCH_OUTPUT"
