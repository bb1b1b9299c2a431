#!/bin/sh
# Writes the document: generate.sh > graph.json
exec awk 'BEGIN {
    last = 999
    print "{\"name\": \"fan-1000\", \"nodes\": ["
    print "{\"name\": \"split\"},"
    for (i = 1; i < last; i++) printf "{\"name\": \"work-%d\", \"engine\": \"shell\", \"artifact\": \"true\"},\n", i
    print "{\"name\": \"gather\"}"
    print "], \"edges\": ["
    for (i = 1; i < last; i++) printf "{\"from\": 0, \"to\": %d}, {\"from\": %d, \"to\": %d}%s\n", i, i, last, i + 1 < last ? "," : ""
    print "]}"
}'
