"""
The output of a phase: redacted once, then written to the phase's log and, if somebody reads it, to
our own stdout.
"""

import fcntl
import os
import stat
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path

from .redaction import Redactor

DRAIN_SECONDS = 10


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
        """To be called when the command's own output is complete."""
        self._write(self._redactor.flush())

    def line(self, text: str) -> None:
        """Appends a line of the wrapper, after ending an unfinished line of the command."""
        self.flush()
        self._write_line(self._redactor.redact(text))

    def report(self, text: str) -> None:
        """Appends the signed report, unredacted, because it must not be changed."""
        self.flush()
        self._write_line(text)

    def drain(self) -> None:
        """
        Waits until our stdout has been read. A container runtime may drop what it has not read when
        we end (containerd does, two seconds later), or has read but not yet written. So this waits
        once more for as long as the reading took.
        """
        if not self._has_reader or not stat.S_ISFIFO(os.fstat(1).st_mode):
            return
        begin = time.monotonic()
        while count_unread(1) > 0 and time.monotonic() < begin + DRAIN_SECONDS:
            time.sleep(0.01)
        time.sleep(time.monotonic() - begin)

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
                # The reader of our stdout is gone, but the log is what counts.
                self._has_reader = False
        self.on_growth(self.size)


def count_unread(pipe: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, struct.pack("i", 0)))
    return int(count)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
