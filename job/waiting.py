"""Tells the API what a phase waits for, so that the session shows it.

Reports each cause once, and only if it lasts. A report that the API does not accept is not
repeated, because the log has it.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator

from .api import Api, Refused, Unavailable
from .clock import now
from .context import Context
from .directory import to_time
from .redaction import Redactor, read_secrets

# Fewer failures are not reported: the next try may succeed.
WORTH_TELLING = 3
REQUEST_SECONDS = 2.0
# The same for something that neither fails nor goes on.
SILENCE_SECONDS = 5.0
LOOK_SECONDS = 1.0


class Wait:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures = 0
        self._since: float | None = None
        self._told: str | None = None

    def tell(self, cause: str) -> None:
        """To be called after each failure."""
        self._since = self._since or now()
        self._failures += 1
        if self._told is not None or self._failures >= WORTH_TELLING:
            self._tell(cause)

    @contextlib.contextmanager
    def tell_silence(self, cause: str, has_begun: Callable[[], bool]) -> Iterator[None]:
        """Tells that what is done meanwhile has not begun for long, and when it has."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(cause, has_begun, done), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def end(self) -> None:
        if self._told is not None:
            self._put(self._told, is_over=True)
        self._failures = 0
        self._since = None
        self._told = None

    def _watch(self, cause: str, has_begun: Callable[[], bool], done: threading.Event) -> None:
        began = now()
        if done.wait(SILENCE_SECONDS) or has_begun():
            return
        self._since = self._since or began
        # After a failure that was told, silence is no news.
        if self._told is None:
            self._tell(cause)
        while not done.wait(LOOK_SECONDS):
            if has_begun():
                self.end()
                return

    def _tell(self, cause: str) -> None:
        if self._told is not None and to_kind(self._told) == to_kind(cause):
            return
        self._put(cause, is_over=False)
        self._told = cause

    def _put(self, cause: str, is_over: bool) -> None:
        job, directory = self._context.job, self._context.directory
        if job.api_url is None:
            return
        message = Redactor(read_secrets(directory)).redact(cause)
        api = Api(job.api_url, directory.read_token(), job.job_id, self._context.phase.name)
        report = {"since": to_time(self._since or now()), "message": message, "over": is_over}
        with contextlib.suppress(Refused, Unavailable):
            api.put("/wait", report, REQUEST_SECONDS)
        api.close()


def to_kind(cause: str) -> str:
    """Numbers are ignored, because times differ from one failure to the next."""
    return re.sub(r"\d+", "0", cause)
