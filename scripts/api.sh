#!/bin/sh
# Starts the API with settings that save memory: by default malloc keeps what a thread has freed for that thread, and large
# pieces for later ones. Not for the worker, whose threads exchange many small pieces: it would cost a third of its CPU time.
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072
exec "$(dirname "$0")/run.sh" api/server.js "$@"
