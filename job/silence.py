"""Finds hosts that say nothing for long while a playbook runs on them.

The callback plugin keeps a file of fixed-size records with the current task of each host and when
it was last heard of: when the task began there, or one of its items, tries or polls ended. The
plugin has no thread of its own, because Ansible's forks would not survive that, so the passing of
time is checked here. A report that the API may not have received is sent again.
"""

import struct
import time
from typing import Any

from .context import Context
from .directory import to_time
from .redaction import Redactor
from .report import cut, to_plain

# The format that the plugin writes.
RECORD = struct.Struct("<ddI240s256s")
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
        self._begin()
        self._sequence = 0
        self._told: Report | None = None
        self._is_sure = True

    def begin_again(self) -> None:
        """To be called before the playbook runs again."""
        self._begin()

    def _begin(self) -> None:
        self._is_over = False
        self._due_at = 0.0 if self._limit > 0 else float("inf")

    def next(self) -> Report | None:
        """The next report, or None if nothing is new or the last look was a moment ago."""
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
        """The API may have received the report, or may yet, although it did not answer."""
        self._is_sure = False

    def end(self) -> None:
        """To be called when the playbook has ended, which ends the silence."""
        self._is_over = True
        self._due_at = min(self._due_at, time.monotonic())

    def _find(self, now: float) -> Report | None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        whole = len(data) - len(data) % RECORD.size
        silent = [
            (at, task, to_text(host), limit)
            for heard, at, limit, host, task in RECORD.iter_unpack(data[:whole])
            if heard > 0 and now - heard >= self._limit
        ]
        return self._render(sorted(silent)) if silent else None

    def _render(self, silent: list[tuple[float, bytes, str, int]]) -> Report:
        """Shows the task that has been silent longest, and counts the hosts in other tasks."""
        since, first, _, limit = silent[0]
        hosts = [host for _, task, host, _ in silent if task == first]
        return {
            "task": self._show(first),
            "since": to_time(since),
            "hosts": len(hosts),
            "names": [to_plain(host) for host in hosts[:MAX_NAMES]],
            "others": len(silent) - len(hosts),
            **({"limit": limit} if limit > 0 else {}),
        }

    def _show(self, task: bytes) -> str:
        is_cut = not task.endswith(b"\0")
        return cut(to_plain(self._redactor.redact(to_text(task), is_cut=is_cut)))


def to_text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("utf-8", "ignore")
