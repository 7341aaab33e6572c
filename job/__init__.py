"""
What runs inside a job: a supervisor that runs the phases in order, a wrapper that runs one phase,
and the commands of the phases.
"""

import gc

# Imports create no garbage. `__main__` turns collection on again.
gc.disable()
