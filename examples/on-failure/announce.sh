#!/bin/sh
echo "result=$VERSION is on $HOSTS hosts"
