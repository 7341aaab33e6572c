"""
The output of a phase: redacted once, then the same bytes to the phase's log and, where somebody
keeps it, to our own output.
"""

import os
from collections.abc import Callable
from pathlib import Path

from .redaction import Redactor


class Output:
    def __init__(self, path: Path, redactor: Redactor, has_reader: bool) -> None:
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._redactor = redactor
        self._ends_line = True
        self._has_reader = has_reader
        self.size = os.fstat(self._log).st_size
        self.on_growth: Callable[[int], None] = lambda _size: None

    def feed(self, data: bytes) -> None:
        self._write(self._redactor.feed(data))

    def flush(self) -> None:
        """To be called when the command's own output is over."""
        self._write(self._redactor.flush())

    def line(self, text: str) -> None:
        """Appends a line of ours; what the command wrote last is ended first."""
        self.flush()
        self._write_line(self._redactor.redact(text))

    def report(self, text: str) -> None:
        """Appends the signed report, which must arrive unchanged."""
        self.flush()
        self._write_line(text)

    def _write_line(self, text: str) -> None:
        self._write((b"" if self._ends_line else b"\n") + text.encode() + b"\n")

    def _write(self, data: bytes) -> None:
        if not data:
            return
        write_all(self._log, data)
        self._ends_line = data.endswith(b"\n")
        self.size += len(data)
        if self._has_reader:
            try:
                write_all(1, data)
            except OSError:
                # Whoever read our own output is gone; the log is what counts.
                self._has_reader = False
        self.on_growth(self.size)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
