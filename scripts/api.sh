#!/bin/sh
# The API, in less memory still: malloc would keep what each thread has freed for that thread, and large pieces for the next
# ones. In the worker, whose threads exchange many small pieces, this costs a third of its processor time.
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072
exec "$(dirname "$0")/run.sh" api/server.js "$@"
