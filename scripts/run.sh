#!/bin/sh
# Runs a program of dist/ with what Node compiled the last time, so that it is there in two thirds of the time, and with the
# memory that it needs (docs/performance.md tells what this saves): V8 would let 64 MB of garbage gather before it looks, clear
# it with threads that wait for each other where cores are busy, and let what has survived grow to several times what is in use.
here=$(dirname "$0")
program=$1
shift
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$here/../node_modules/.cache/compiled}"
exec node --max-semi-space-size=16 --no-parallel-scavenge --heap-growing-percent=60 "$here/../dist/$program" "$@"
