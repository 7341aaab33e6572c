"""Finds hosts that say nothing for long while a playbook runs on them.

The callback plugin keeps a file of fixed-size records with the current task of each host and when
it was last heard of: when the task began there, or one of its items, tries or polls ended. The
plugin has no thread of its own, because Ansible's forks would not survive that, so the passing of
time is checked here. A report that the API may not have received is sent again.
"""

import struct
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

# Of which hosts nothing is heard, and in which task.
Silent = dict[str, Any]
SilenceReport = dict[str, Any]


class SilenceReports:
    """Which silence the API was told of, when to look again, and what to tell it then."""

    def __init__(self, look_seconds: float) -> None:
        """`look_seconds`: infinite to never look."""
        self._look_seconds = look_seconds
        self.begin_again()
        self._sequence = 0
        self._report: SilenceReport | None = None
        self._told: Silent | None = None
        self._is_sure = True

    def begin_again(self) -> None:
        """The playbook is about to run again."""
        self._is_over = False
        self._due_at = 0.0 if self._look_seconds < float("inf") else float("inf")

    def end(self, now: float) -> None:
        """The playbook has ended, which ends the silence."""
        self._is_over = True
        self._due_at = min(self._due_at, now)

    def is_due(self, now: float) -> bool:
        return now >= self._due_at

    def note_look(self, silent: Silent | None, now: float) -> None:
        self._due_at = now + self._look_seconds
        found = None if self._is_over else silent
        self._report = None
        if found != self._told or not self._is_sure:
            self._sequence += 1
            self._report = {"sequence": self._sequence, "silence": found}

    def take(self) -> SilenceReport | None:
        """What is new. If it is lost, the next look tells the state anew."""
        report, self._report = self._report, None
        return report

    def note_told(self, report: SilenceReport) -> None:
        self._told = report["silence"]
        self._is_sure = True

    def note_lost(self) -> None:
        """The API may have received the report, or may yet, although it did not answer."""
        self._is_sure = False


class Silence:
    """Reads what the plugin has written."""

    def __init__(self, context: Context, redactor: Redactor) -> None:
        self._limit = context.phase.host_silent_seconds
        self._path = context.directory.heard(context.phase.name)
        self._redactor = redactor

    @property
    def look_seconds(self) -> float:
        if self._limit == 0:
            return float("inf")
        return min(max(self._limit / 10, MIN_LOOK_SECONDS), MAX_LOOK_SECONDS)

    def find(self, now: float) -> Silent | None:
        try:
            data = self._path.read_bytes()
        except OSError:
            return None
        whole = len(data) - len(data) % RECORD.size
        silent = [
            (at, task, to_text(host), limit)
            for heard, at, limit, host, task in RECORD.iter_unpack(data[:whole])
            if heard > 0 and now - heard >= self._limit
        ]
        return self._render(sorted(silent)) if silent else None

    def _render(self, silent: list[tuple[float, bytes, str, int]]) -> Silent:
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
