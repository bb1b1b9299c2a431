#!/bin/sh
# Writes down what the other nodes found out.
set -eu
report="$DIR/report.md"
cat > "$report" <<END
# tally $VERSION

| step | result |
|---|---|
| lint | $LINTED files, no warnings |
| unit tests | $PASSED passed |
| smoke test | $WORDS words, $DISTINCT different, most often: $MOST |
| program | $BYTES bytes |
| archive | $(basename "$ARCHIVE"), $ARCHIVE_BYTES bytes |
| sha256 | $SHA256 |

The archive: $ARCHIVE
END
cat "$report"
echo "report=$report"
