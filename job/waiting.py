"""Tells the API what a phase waits for, so that the session shows it.

Reports each cause once, and only if it lasts. A report that the API does not accept is not
repeated, because the log has it.
"""

import contextlib
import re
import time

from .api import Api, Refused, Unavailable
from .context import Context
from .directory import to_time
from .redaction import Redactor, read_secrets

# Fewer failures are not reported: the next try may succeed.
WORTH_TELLING = 3
REQUEST_SECONDS = 2.0


class Wait:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures = 0
        self._since = 0.0
        self._told: str | None = None

    def tell(self, cause: str) -> None:
        if self._failures == 0:
            self._since = time.time()
        self._failures += 1
        is_told = self._told is not None and to_kind(self._told) == to_kind(cause)
        if self._failures >= WORTH_TELLING and not is_told:
            self._put(cause, is_over=False)
            self._told = cause

    def end(self) -> None:
        if self._told is not None:
            self._put(self._told, is_over=True)
        self._failures = 0
        self._told = None

    def _put(self, cause: str, is_over: bool) -> None:
        job, directory = self._context.job, self._context.directory
        if job.api_url is None:
            return
        message = Redactor(read_secrets(directory)).redact(cause)
        api = Api(job.api_url, directory.read_token(), job.job_id, self._context.phase.name)
        report = {"since": to_time(self._since), "message": message, "over": is_over}
        with contextlib.suppress(Refused, Unavailable):
            api.put("/wait", report, REQUEST_SECONDS)
        api.close()


def to_kind(cause: str) -> str:
    """Numbers are ignored, because times differ from one failure to the next."""
    return re.sub(r"\d+", "0", cause)
