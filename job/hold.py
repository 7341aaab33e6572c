"""Keeps a failed phase as it is, so that somebody can look at it, correct the cause and go on.

The phase's command has ended and its output is complete. The hold ends when it is released by the
API, when the file `complete` in the workspace (in a pod also `/tmp/complete`, as in CFS) is created
or touched (one that existed before does not count), when its time is over, or at once when the job
is told to stop. It also ends when the API, or the file `rerun` beside `complete`, asks to run the
command again.
"""

import contextlib
import os
import random
import selectors
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .api import Api, Refused, Release, Unavailable
from .context import Context, to_environment
from .delivery import MAX_BACK_OFF_SECONDS, MIN_BACK_OFF_SECONDS
from .directory import to_time
from .exits import PhaseError
from .playbook import find_playbook, to_playbook_environment
from .signals import Signals

# The longest wait that the API allows.
WAIT_SECONDS = 25
ANSWER_SECONDS = 10
LOOK_SECONDS = 1.0
# How long to ask an API that is away.
PATIENCE_SECONDS = 15
PATIENT_ANSWER_SECONDS = 5
# Not passed to the shell, which belongs to whoever opens it: it does not end with the job and
# reports nothing.
NOT_SHARED = ("KEELSON_JOB", "KEELSON_RESULTS", "KEELSON_HEARD")
# The shell reads the token from its file, so that it is removed with the job's secrets.
VAULT_TOKEN = "VAULT_TOKEN"


Answered = TypeVar("Answered")


class HoldEnd(NamedTuple):
    """Why a hold is over. `reason` completes a sentence of the log."""

    reason: str
    is_rerun: bool = False


COMPLETE = HoldEnd("the file was created")
TOUCHED = HoldEnd("the file rerun was created", is_rerun=True)
OVER = HoldEnd("its time is over")
STOPPED = HoldEnd("the job was told to stop")
LOST = HoldEnd("the supervisor of the job is gone")
RELEASED = HoldEnd("it was released")


def to_end(release: Release) -> HoldEnd:
    if not release.is_rerun:
        return RELEASED
    return HoldEnd(f"a rerun was asked for by {release.by}", is_rerun=True)


class Hold:
    def __init__(self, context: Context, signals: Signals, since: float, seconds: float) -> None:
        self._signals = signals
        self._since = to_time(since)
        self._deadline = time.monotonic() + seconds
        workspace = context.directory.workspace
        self.complete, self.rerun = workspace / "complete", workspace / "rerun"
        folders = [workspace, *([Path("/tmp")] if find_pod() else [])]
        self._files = [
            (folder / name, read_mark(folder / name), end)
            for name, end in (("complete", COMPLETE), ("rerun", TOUCHED))
            for folder in folders
        ]
        self._release: Release | None = None
        self._is_over = False

    @property
    def seconds_left(self) -> float:
        """Reported to the API beside the end time, because clocks may differ."""
        return max(self._deadline - time.monotonic(), 0)

    def listen(self, api: Api, tell_again: Callable[[], None]) -> None:
        """
        Asks the API in the background whether the hold is released. Calls `tell_again` if the API
        has lost it.
        """
        threading.Thread(target=self._ask, args=(api, tell_again), name="hold", daemon=True).start()

    def wait(self) -> HoldEnd:
        end = self._wait()
        self._is_over = True
        return end

    def settle(self, api: Api, over: dict[str, Any]) -> HoldEnd | None:
        """
        Tells the API that the time of the hold is over, after which it takes no request, and
        returns what was asked for before that.
        """

        def settle() -> Release | None:
            api.put("/hold", over, PATIENT_ANSWER_SECONDS)
            return api.await_release(self._since, 0, PATIENT_ANSWER_SECONDS).release

        release = ask_patiently(api, self._signals, settle)
        return None if release is None else to_end(release)

    def _wait(self) -> HoldEnd:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            while True:
                if self._signals.stop_requested:
                    return STOPPED
                if self._release is not None:
                    return to_end(self._release)
                touched = self._find_touched()
                if touched is not None:
                    return touched
                left = self._deadline - time.monotonic()
                if left <= 0:
                    return OVER
                selector.select(min(left, LOOK_SECONDS))
                self._signals.clear()

    def _find_touched(self) -> HoldEnd | None:
        for file, before, end in self._files:
            if read_mark(file) not in (None, before):
                return end
        return None

    def _ask(self, api: Api, tell_again: Callable[[], None]) -> None:
        pause: float | None = MIN_BACK_OFF_SECONDS
        while pause is not None and not self._is_over:
            time.sleep(pause)
            pause = self._ask_once(api, tell_again, pause)
        api.close()

    def _ask_once(self, api: Api, tell_again: Callable[[], None], pause: float) -> float | None:
        """Returns how long to wait before the next request, or None to stop."""
        try:
            seconds = WAIT_SECONDS + ANSWER_SECONDS
            news = api.await_release(self._since, WAIT_SECONDS, seconds)
        except Refused:
            return None
        except Unavailable as error:
            longer = min(pause * random.uniform(1.5, 2), MAX_BACK_OFF_SECONDS)
            return max(longer, error.retry_after_seconds)
        if news.release is None:
            # Once it is over, the API does not know it as one that lasts.
            if not news.is_known and not self._is_over:
                tell_again()
            return MIN_BACK_OFF_SECONDS
        self._release = news.release
        self._signals.wake()
        return None


def is_wanted(api: Api, signals: Signals) -> bool:
    """Whether somebody has asked, while the job ran, to hold a failed phase."""
    return bool(ask_patiently(api, signals, lambda: api.is_hold_wanted(PATIENT_ANSWER_SECONDS)))


def ask_patiently(api: Api, signals: Signals, ask: Callable[[], Answered]) -> Answered | None:
    """Returns None if the API refuses or stays away, or if the job is told to stop."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = MIN_BACK_OFF_SECONDS
    try:
        while not signals.stop_requested:
            try:
                return ask()
            except Unavailable as error:
                pause = max(pause, error.retry_after_seconds)
            if time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
            pause *= 2
    except Refused:
        pass
    finally:
        api.close()
    return None


def write_shell(context: Context) -> str:
    """Returns the command that opens a shell with the phase's environment."""
    script = context.directory.workspace / f"shell-{context.phase.name}"
    exports = [
        f"export {name}={shlex.quote(value)}"
        for name, value in to_shell_environment(context).items()
        if name != VAULT_TOKEN
    ]
    if context.directory.vault_token.exists():
        path = shlex.quote(str(context.directory.vault_token))
        exports.append(f"{VAULT_TOKEN}=$(cat {path}) && export {VAULT_TOKEN}")
    folder = shlex.quote(str(context.directory.workspace))
    lines = [f"cd {folder} || exit", *exports, 'exec "${SHELL:-/bin/sh}" "$@"']
    script.write_text("\n".join(lines) + "\n", "utf-8")
    script.chmod(0o600)
    shell = f"sh {shlex.quote(str(script))}"
    pod = find_pod()
    if pod is None:
        return shell
    namespace, name = pod
    return f"kubectl exec -it -n {namespace} {name} -c {context.phase.name} -- {shell}"


def find_pod() -> tuple[str, str] | None:
    """Namespace and name of our pod, if we are in one."""
    namespace, name = (os.environ.get(f"KEELSON_{word}") for word in ("NAMESPACE", "POD"))
    return (namespace, name) if namespace and name else None


def to_shell_environment(context: Context) -> dict[str, str]:
    environment = to_environment(context)
    if context.phase.kind == "ansible":
        # The phase may have failed because the playbook is missing.
        with contextlib.suppress(PhaseError):
            environment = to_playbook_environment(context, find_playbook(context))
        programs = Path(context.job.ansible_playbook).parent
        environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    return {name: value for name, value in environment.items() if name not in NOT_SHARED}


def read_mark(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
