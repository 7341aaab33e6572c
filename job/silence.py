"""Hosts of which nothing was heard for long, while the playbook that is at work on them runs.

The callback plugin keeps in a file of fixed records which host is in which task, and when it was
heard of last: when the task began there, or when one of its items, tries or polls ended. It writes
without a thread of its own, which Ansible's forks would not bear, and whether time passes is looked
at here. An API that does not know of this is told again now and then, as after a failure.
"""

import struct
import time
from typing import Any

from .context import Context
from .directory import to_time
from .redaction import Redactor
from .report import cut, to_plain

# As the plugin writes it.
RECORD = struct.Struct("<dd240s256s")
MAX_NAMES = 10
MIN_LOOK_SECONDS = 1.0
MAX_LOOK_SECONDS = 15.0

Report = dict[str, Any]


class Silence:
    def __init__(self, context: Context, redactor: Redactor) -> None:
        self._limit = context.phase.host_silent_seconds
        self._path = context.directory.heard(context.phase.name)
        self._redactor = redactor
        self._look_seconds = min(max(self._limit / 10, MIN_LOOK_SECONDS), MAX_LOOK_SECONDS)
        self._due_at = 0.0 if self._limit > 0 else float("inf")
        self._is_over = False
        self._sequence = 0
        self._told: Report | None = None
        self._is_sure = True

    def next(self) -> Report | None:
        """What is to be told now; None where nothing is new, or it was looked at a moment ago."""
        now = time.monotonic()
        if now < self._due_at:
            return None
        self._due_at = now + self._look_seconds
        found = None if self._is_over else self._find(now)
        if found == self._told and self._is_sure:
            return None
        self._sequence += 1
        return {"sequence": self._sequence, "silence": found}

    def note_told(self, report: Report) -> None:
        self._told = report["silence"]
        self._is_sure = True

    def note_lost(self) -> None:
        """It may have been taken, or come late, though there was no answer."""
        self._is_sure = False

    def end(self) -> None:
        """The playbook has ended: so has the silence."""
        self._is_over = True
        self._due_at = min(self._due_at, time.monotonic())

    def _find(self, now: float) -> Report | None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        whole = len(data) - len(data) % RECORD.size
        silent = [
            (at, task, to_text(host))
            for heard, at, host, task in RECORD.iter_unpack(data[:whole])
            if heard > 0 and now - heard >= self._limit
        ]
        return self._render(sorted(silent)) if silent else None

    def _render(self, silent: list[tuple[float, bytes, str]]) -> Report:
        """The task of which nothing was heard for longest; the others are counted."""
        since, first, _ = silent[0]
        hosts = [host for _, task, host in silent if task == first]
        return {
            "task": self._show(first),
            "since": to_time(since),
            "hosts": len(hosts),
            "names": [to_plain(host) for host in hosts[:MAX_NAMES]],
            "others": len(silent) - len(hosts),
        }

    def _show(self, task: bytes) -> str:
        is_cut = not task.endswith(b"\0")
        return cut(to_plain(self._redactor.redact(to_text(task), is_cut=is_cut)))


def to_text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("utf-8", "ignore")
