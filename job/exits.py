"""
Exit codes by which the programs of a job name their reason; Ansible's own (1 to 5, 250) mean what
Ansible says.
"""

GIT_CLONE = 70
GIT_REF = 71
INVENTORY = 72
PLAYBOOK = 73
DISK_FULL = 78
INTERNAL = 79

# Of the wrapper itself, as `timeout` and a shell would answer.
TIMED_OUT = 124
SIGNALLED = 128


class PhaseError(Exception):
    """Ends a phase with an exit code and one line that says why."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
