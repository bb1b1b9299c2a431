#!/bin/sh
# Runs only because the deployment failed; its exit code came along.
echo "web-1 goes back"
echo "result=rolled back after exit code $CODE"
