#!/bin/sh
if [ "$CODE" -eq 0 ]; then echo "result=deployed"; else echo "result=not deployed, and nothing is half done"; fi
