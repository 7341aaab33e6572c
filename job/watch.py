"""Copies a command's output and waits until neither the command nor any descendant is left."""

import os
import selectors
import time
from collections.abc import Callable

from .clock import now
from .directory import to_time
from .output import Output
from .process import Ending, reap_children
from .signals import Signals

READ_BYTES = 256 * 1024
# How often to look for remaining descendants while they end.
ENDING_SECONDS = 0.02


class Ended:
    """
    How the command ended: `exit_code` if by itself, `killed` if we ended it. `left` are the
    descendants that could not be ended; `at` is the time.
    """

    exit_code: int | None = None
    killed: str | None = None
    left: tuple[int, ...] = ()
    at = ""

    @property
    def is_known(self) -> bool:
        return self.exit_code is not None or self.killed is not None


class Watch:
    def __init__(
        self,
        command: int,
        reading: int,
        output: Output,
        signals: Signals,
        grace_seconds: float,
        limit_seconds: float,
        to_stop_reason: Callable[[], str],
    ) -> None:
        self._command = command
        self._reading = reading
        self._output = output
        self._signals = signals
        self._grace_seconds = grace_seconds
        limit = limit_seconds if limit_seconds > 0 else float("inf")
        self._deadline = time.monotonic() + limit
        self._to_stop_reason = to_stop_reason

    def run(self) -> Ended:
        ended = Ended()
        ending: Ending | None = None
        with selectors.DefaultSelector() as selector:
            os.set_blocking(self._reading, False)
            selector.register(self._reading, selectors.EVENT_READ)
            selector.register(self._signals.wakeup, selectors.EVENT_READ)
            while ending is None or not ending.step():
                events = selector.select(self._to_wait(is_ending=ending is not None))
                self._signals.clear()
                if any(key.fd == self._reading for key, _ in events) and self._copy() == 0:
                    selector.unregister(self._reading)
                self._note_end(ended)
                if ending is None and ended.is_known:
                    ending = Ending(self._grace_seconds)
        while self._copy() > 0:
            pass
        os.close(self._reading)
        self._output.flush()
        ended.left = tuple(ending.left)
        ended.at = to_time(now())
        return ended

    def _to_wait(self, is_ending: bool) -> float | None:
        if is_ending:
            return ENDING_SECONDS
        left = max(self._deadline - time.monotonic(), 0)
        return None if left == float("inf") else left

    def _note_end(self, ended: Ended) -> None:
        reaped = reap_children()
        if ended.is_known:
            return
        if self._command in reaped:
            ended.exit_code = reaped[self._command]
        elif self._signals.stop_requested:
            ended.killed = self._to_stop_reason()
        elif time.monotonic() >= self._deadline:
            ended.killed = "timeout"

    def _copy(self) -> int:
        """Returns the number of bytes: 0 at the end, -1 if there are none yet."""
        try:
            data = os.read(self._reading, READ_BYTES)
        except BlockingIOError:
            return -1
        self._output.feed(data)
        return len(data)
