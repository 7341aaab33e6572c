"""
Exit codes by which the programs of a job state their reason. Ansible's own (1 to 5, 250) keep their
meaning.
"""

GIT_CLONE = 70
GIT_REF = 71
INVENTORY = 72
PLAYBOOK = 73
GIT_AWAY = 74
DISK_FULL = 78
INTERNAL = 79

# Codes of the wrapper itself, like those of `timeout` and of a shell.
TIMED_OUT = 124
SIGNALLED = 128


class PhaseError(Exception):
    """Ends a phase with an exit code and one line that says why."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
