"""
What runs inside a job: one wrapper for every phase, a supervisor that runs the phases in order, and
their commands.
"""

import gc

# What is loaded is no garbage. `__main__` turns this on again.
gc.disable()
