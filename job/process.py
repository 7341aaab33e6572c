"""Processes: fork a child that dies with its parent, find all descendants, end them all."""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from . import exits

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# How long to wait for a process that SIGKILL does not end because it is stuck in the kernel (a dead
# network mount).
UNKILLABLE_SECONDS = 30
# The same for processes of other users, as `become` starts them, which we may not signal.
FOREIGN_SECONDS = 2

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on every orphaned descendant becomes our child, even if it left its session."""
    _set_process_control(PR_SET_CHILD_SUBREAPER, 1)


def _set_process_control(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def start_child(
    action: Callable[[], int],
    death_signal: signal.Signals,
    blocked: tuple[signal.Signals, ...] = (),
) -> int:
    """
    Forks a child that runs `action` and exits with its result, and that gets `death_signal` when we
    are gone. To be called from the main thread, because the kernel takes the end of the forking
    thread for that of the parent.
    """
    parent = os.getpid()
    # Python runs signal handlers after the fork too; blocked signals cannot run ours in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become_child(parent, action, death_signal, blocked)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _become_child(
    parent: int,
    action: Callable[[], int],
    death_signal: signal.Signals,
    blocked: tuple[signal.Signals, ...],
) -> NoReturn:
    code = exits.INTERNAL
    try:
        _set_process_control(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            os._exit(code)
        signal.set_wakeup_fd(-1)
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGCHLD,
            signal.SIGALRM,
            signal.SIGPIPE,
        ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        code = action()
    except exits.PhaseError as error:
        print(f"ERROR! {error}", file=sys.stderr)
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # In any case: the child is a copy of its parent and must not continue as such.
            os._exit(code)


def reap_children() -> dict[int, int]:
    """Exit codes of the children that have ended (128 + n for signal n). Never waits."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = to_exit_code(status)


def to_exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else exits.SIGNALLED - code


def has_children() -> bool:
    """
    Without children there are no descendants either, because a subreaper inherits every orphan.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def find_descendants() -> list[int]:
    """Every living descendant, without those that have ended and wait to be reaped."""
    children: dict[int, list[int]] = {}
    dead = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry))
        if fields[0] in (b"Z", b"X"):
            dead.add(int(entry))
    found: list[int] = []
    ahead = [os.getpid()]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return [pid for pid in found if pid not in dead]


class Ending:
    """
    Ends every descendant: SIGTERM to each once, SIGKILL after the grace time. `left` are those that
    could not be ended; `spared` are never signalled.
    """

    def __init__(self, grace_seconds: float, spared: Collection[int] = ()) -> None:
        self._kill_at = time.monotonic() + grace_seconds
        self._spared = set(spared)
        self._foreign = set(spared)
        self._told: set[int] = set()
        self.left: list[int] = []

    def step(self) -> bool:
        """
        Signals what is left. True if nothing is, or nothing that can be ended. Children must be
        reaped between two steps.
        """
        if not has_children():
            self.left = []
            return True
        self.left = find_descendants()
        if self._is_given_up():
            return True
        killing = time.monotonic() >= self._kill_at
        for pid in self.left:
            if pid in self._spared:
                continue
            if killing:
                self._send(pid, signal.SIGKILL)
            elif pid not in self._told:
                self._told.add(pid)
                self._send(pid, signal.SIGTERM)
                # A process that is stopped (SIGSTOP) would never see the SIGTERM.
                self._send(pid, signal.SIGCONT)
        return False

    def _is_given_up(self) -> bool:
        if self._spared and self._spared.issuperset(self.left):
            return True
        are_foreign = self._foreign.issuperset(self.left)
        patience = FOREIGN_SECONDS if are_foreign else UNKILLABLE_SECONDS
        return time.monotonic() >= self._kill_at + patience

    def _send(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            self._foreign.add(pid)


def end_descendants(grace_seconds: float, spared: Collection[int] = ()) -> list[int]:
    """Returns those that could not be ended."""
    ending = Ending(grace_seconds, spared)
    while not ending.step():
        time.sleep(0.01)
        reap_children()
    return ending.left


def read_name(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
