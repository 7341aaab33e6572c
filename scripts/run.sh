#!/bin/sh
# Runs a program of dist/ with Node's compile cache, which shortens the start by a third, and with less memory
# (docs/performance.md has numbers): by default V8 collects only after 64 MB of garbage, uses threads that wait for each other
# on busy cores, and lets the old generation grow to several times what is in use. --expose-gc lets the program collect what its
# start left.
here=$(dirname "$0")
program=$1
shift
# Node looks up hosts on half of its threads. If it had its usual 4, two hosts whose name server does not answer would keep all
# other hosts waiting.
export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-16}"
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$here/../node_modules/.cache/compiled}"
exec node --expose-gc --max-semi-space-size=16 --no-parallel-scavenge --heap-growing-percent=60 "$here/../dist/$program" "$@"
