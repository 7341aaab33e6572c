#!/bin/sh
# Runs a program of dist/ with what Node compiled the last time, so that it is there in two thirds of the time.
here=$(dirname "$0")
program=$1
shift
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$here/../node_modules/.cache/compiled}"
exec node "$here/../dist/$program" "$@"
