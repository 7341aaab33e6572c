"""The time of a job. It goes on steadily, however the clock of the machine is set meanwhile."""

import time

# CLOCK_BOOTTIME also counts the time for which the machine is suspended.
ORIGIN = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def now() -> float:
    return ORIGIN + time.clock_gettime(time.CLOCK_BOOTTIME)
