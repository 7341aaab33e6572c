"""Runs the phases of a job in order on one machine, each in its own wrapper, until one fails.

It runs once in the life of a directory: it holds `lock` while it lives, and `supervisor.json`
identifies it.
"""

import contextlib
import fcntl
import json
import os
import signal
from pathlib import Path
from types import FrameType

from . import exits
from .clock import now
from .command import clean_up
from .context import Context
from .directory import JobDirectory, PhaseState, create_exclusively, to_time
from .plan import Job, Phase, read_job
from .process import become_subreaper, end_descendants, start_child, to_exit_code
from .signals import STOP_SIGNALS
from .wrapper import log_defect, run_phase

# What a wrapper needs beyond the grace time to report, and to give up on what cannot be killed.
WRAPPER_SECONDS = 45


def run_job(directory: JobDirectory) -> int:
    lock = os.open(directory.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    if not create_exclusively(directory.root / "supervisor.json", json.dumps(read_identity())):
        return 0
    become_subreaper()
    directory.make_folders()
    Supervisor(directory, read_job(directory.plan), lock).run()
    return 0


class Supervisor:
    def __init__(self, directory: JobDirectory, job: Job, lock: int) -> None:
        self._directory = directory
        self._job = job
        self._lock = lock
        self._stop_requested = False
        self._unendable: list[int] = []
        # A pidfd, because a pid could be another process by the time the signal is sent.
        self._wrapper: int | None = None
        signal.signal(signal.SIGALRM, self._kill_wrapper)
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop_wrapper)

    def run(self) -> None:
        is_over = False
        for phase in self._job.phases:
            if is_over:
                self._save(phase, PhaseState("ended", ended_at=tell_time(), unstarted="skipped"))
            elif self._stop_requested or self._directory.is_stopped():
                self._save(phase, PhaseState("ended", ended_at=tell_time(), killed="stopped"))
                is_over = True
            else:
                is_over = not self._run_phase(phase).succeeded
        self._directory.remove_secrets()
        # An empty file, which a full disk has room for.
        (self._directory.root / "ended").touch(0o600)

    def _run_phase(self, phase: Phase) -> PhaseState:
        started_at = tell_time()
        try:
            pid = start_child(lambda: self._become_wrapper(phase), signal.SIGTERM, STOP_SIGNALS)
        except OSError as error:
            with contextlib.suppress(OSError):
                log_defect(Context(self._directory, self._job, phase), error, has_reader=False)
            return self._note_end(phase, started_at, exits.INTERNAL)
        self._wrapper = os.pidfd_open(pid)
        if self._stop_requested:
            self._stop_wrapper(signal.SIGTERM, None)
        code = wait_for(pid)
        signal.alarm(0)
        # Forgotten before it is closed, so that a signal handler never uses a closed descriptor.
        pidfd, self._wrapper = self._wrapper, None
        os.close(pidfd)
        state = self._directory.read_state(phase.name)
        has_ended = state is not None and state.state == "ended"
        # Only a wrapper that was killed or gave up leaves descendants.
        grace_seconds = 0 if has_ended else self._job.grace_seconds
        self._unendable = end_descendants(grace_seconds, self._unendable)
        if state is not None and has_ended:
            return state
        clean_up(Context(self._directory, self._job, phase))
        return self._note_end(phase, started_at, code)

    def _become_wrapper(self, phase: Phase) -> int:
        """
        Runs the wrapper in a fork of this interpreter. A new interpreter would cost each phase 60
        ms and several megabytes, and would be of another version after an upgrade during the job.
        """
        os.close(self._lock)
        # Python's default at its start.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # Our stdout is a file beside the log, and would hold the log a second time.
        return run_phase(self._directory, phase.name, has_reader=False, known=self._job)

    def _note_end(self, phase: Phase, started_at: str, code: int) -> PhaseState:
        """Records the end of a wrapper that was killed or could not record it."""
        # Nobody is left to redact the results.
        self._directory.remove_results(phase.name)
        is_told = code in (exits.DISK_FULL, exits.INTERNAL)
        state = PhaseState(
            "ended",
            started_at,
            tell_time(),
            exit_code=code if is_told else None,
            killed=None if is_told else "stopped" if self._stop_requested else "lost",
        ).with_log(self._directory.log(phase.name))
        self._save(phase, state)
        return state

    def _save(self, phase: Phase, state: PhaseState) -> None:
        """
        The job ends with this state, so secrets can be removed first, which makes room on a full
        disk. If that is not enough, whoever waits for the phase finds it lost.
        """
        self._directory.remove_secrets()
        with contextlib.suppress(OSError):
            self._directory.write_state(phase.name, state)

    def _stop_wrapper(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requested = True
        if self._wrapper is not None:
            send(self._wrapper, signal.SIGTERM)
            signal.alarm(int(self._job.grace_seconds) + WRAPPER_SECONDS)

    def _kill_wrapper(self, _number: int, _frame: FrameType | None) -> None:
        if self._wrapper is not None:
            send(self._wrapper, signal.SIGKILL)


def wait_for(pid: int) -> int:
    """Waits for one child, and reaps orphans that end meanwhile."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return to_exit_code(status)


def send(pidfd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def read_identity() -> dict[str, object]:
    """Identifies this process, even after its pid was reused or the machine was restarted."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return {"pid": os.getpid(), "start_time": int(fields[19]), "boot_id": boot_id}


def tell_time() -> str:
    return to_time(now())
