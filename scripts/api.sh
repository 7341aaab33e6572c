#!/bin/sh
# The API with the memory that it needs (docs/performance.md tells what this saves). V8 would let 64 MB of garbage gather
# before it looks, clear it with threads that wait for each other where cores are busy, and let what has survived grow to
# several times what is in use; malloc would keep what each thread has freed for that thread, and large pieces for the next ones.
here=$(dirname "$0")
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$here/../node_modules/.cache/compiled}"
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072
exec node --max-semi-space-size=16 --no-parallel-scavenge --heap-growing-percent=60 "$here/../dist/api/server.js"
