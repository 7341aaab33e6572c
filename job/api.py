"""Requests of a phase to the API."""

# Every connection needs this module: load it once, before the forks.
import encodings.idna  # noqa: F401
import http.client
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

# A longer wait that an answer asks for would let the end of a phase pass. It is also more than the
# time for which a service or a proxy is usually replaced.
MAX_RETRY_AFTER_SECONDS = 60.0
# Answers that will not change: unauthenticated, missing, gone.
REFUSALS = (401, 404, 410)
# Answers to a body that is not valid, or too large.
REJECTIONS = (400, 413)


class Refused(Exception):
    """The API accepts nothing more from this phase."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Unavailable(Exception):
    """May be retried, but not before `retry_after_seconds`."""

    def __init__(self, reason: str, retry_after_seconds: float = 0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class Rejected(Unavailable):
    """The API does not take this body. Or a gateway in its place does not, for a while."""


class Piece(NamedTuple):
    """A compressed part of a log."""

    offset: int
    size: int
    packed: bytes

    @property
    def end(self) -> int:
        return self.offset + self.size


class Release(NamedTuple):
    """How a hold was ended through the API."""

    is_rerun: bool
    # Name of the token with which the rerun was asked for.
    by: str


class HoldNews(NamedTuple):
    """What the API knows of a hold. `release` is absent while nothing has ended it."""

    release: Release | None
    # False if the API does not know that it lasts, as after a restore of its database.
    is_known: bool


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Api:
    """Keeps one connection open and sends one request at a time."""

    def __init__(self, url: str, token: str, job_id: str, phase: str) -> None:
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
        self._address = (parts.hostname or "", parts.port or (443 if is_secure else 80))
        self._path = f"{parts.path.rstrip('/')}/jobs/{quote(job_id)}/phases/{quote(phase)}"
        self._token = token
        self._connection: http.client.HTTPConnection | None = None

    def put(self, suffix: str, body: Mapping[str, Any], timeout_seconds: float) -> None:
        headers = {"Content-Type": "application/json"}
        packed = pack(json.dumps(body).encode())
        answer = self._send("PUT", suffix, packed, headers, timeout_seconds)
        if answer.status // 100 != 2:
            raise to_unavailable(answer)

    def append_log(
        self, piece: Piece, timeout_seconds: float, meanwhile: Callable[[], None]
    ) -> int:
        """Returns the offset to continue at. Calls `meanwhile` while the piece is being sent."""
        headers = {"Content-Type": "application/partial-upload", "Upload-Offset": str(piece.offset)}
        answer = self._send("PATCH", "/log", piece.packed, headers, timeout_seconds, meanwhile)
        expected = answer.headers.get("Upload-Offset", "")
        if answer.status // 100 == 2:
            return int(expected) if expected.isdecimal() else piece.end
        if answer.status == 409 and expected.isdecimal() and int(expected) != piece.offset:
            return int(expected)
        raise to_unavailable(answer)

    def find_log_end(self, timeout_seconds: float) -> int:
        """The offset at which the log continues."""
        answer = self._send("GET", "/log", None, {}, timeout_seconds)
        end = answer.headers.get("Upload-Offset", "")
        if answer.status // 100 != 2 or not end.isdecimal():
            raise to_unavailable(answer)
        return int(end)

    def await_release(self, since: str, wait_seconds: int, timeout_seconds: float) -> HoldNews:
        """Asks about the hold that began then. Returns once it is ended, or after the wait."""
        told = self._ask_of_hold(f"wait={wait_seconds}&since={quote(since)}", timeout_seconds)
        # An API of an earlier version knows no reruns, and does not say whether it knows the hold.
        release = None
        if told.get("rerun"):
            release = Release(is_rerun=True, by=str(told.get("rerun_by") or ""))
        elif told["released"]:
            release = Release(is_rerun=False, by="")
        return HoldNews(release, is_known=told.get("held") is not False)

    def is_hold_wanted(self, timeout_seconds: float) -> bool:
        """Whether the phase, which has failed, is to be held."""
        # An API of an earlier version does not say.
        return bool(self._ask_of_hold("wait=0", timeout_seconds).get("wanted"))

    def _ask_of_hold(self, query: str, timeout_seconds: float) -> dict[str, Any]:
        answer = self._send("GET", f"/hold?{query}", None, {}, timeout_seconds)
        if answer.status != 200:
            raise to_unavailable(answer)
        try:
            told = json.loads(answer.body)
        except ValueError as error:
            raise Unavailable(repr(error)) from error
        if not isinstance(told, dict) or "released" not in told:
            raise Unavailable("The answer does not tell of a hold.")
        return told

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self,
        method: str,
        suffix: str,
        packed: bytes | None,
        headers: Mapping[str, str],
        timeout_seconds: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Answer:
        sent: dict[str, str] = {**headers, "Authorization": f"Bearer {self._token}"}
        if packed is not None:
            sent["Content-Encoding"] = "gzip"
        try:
            connection = self._open(timeout_seconds)
            connection.request(method, self._path + suffix, packed, sent)
            meanwhile()
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unavailable(repr(error)) from error
        if answer.status in REFUSALS:
            raise Refused(answer.status)
        return answer

    def _open(self, timeout_seconds: float) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._connect(*self._address, timeout=timeout_seconds)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)
        return self._connection


def pack(data: bytes) -> bytes:
    packer = create_packer()
    return packer.compress(data) + packer.flush()


def create_packer() -> "zlib._Compress":
    """Compresses to the gzip format, piece by piece."""
    # For logs, level 3 takes two thirds more time and saves 5 % of the bytes.
    return zlib.compressobj(2, wbits=31)


def to_unavailable(answer: Answer) -> Unavailable:
    wait = answer.headers.get("Retry-After", "")
    seconds = min(float(wait), MAX_RETRY_AFTER_SECONDS) if wait.isdecimal() else 0
    kind = Rejected if answer.status in REJECTIONS else Unavailable
    return kind(f"HTTP {answer.status}", seconds)
