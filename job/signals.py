"""Signals of a process that waits in `select`: a request to stop, and the end of a child."""

import contextlib
import os
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """
    `wakeup` becomes readable with each signal, and when another thread calls `wake`. A process may
    have only one object of this class.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.wakeup, self._writing = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        # The supervisor starts us with these blocked, so that none is lost before we handle them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def wake(self) -> None:
        # A full pipe is readable already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"\n")

    def clear(self) -> None:
        try:
            while os.read(self.wakeup, 4096):
                pass
        except BlockingIOError:
            return

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
