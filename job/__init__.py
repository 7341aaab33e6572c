"""
What runs inside a job: one wrapper for every phase, a supervisor that runs the phases in order, and
their commands.
"""
