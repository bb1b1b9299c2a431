#!/bin/sh
echo "version=1.4.2"
