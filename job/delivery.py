"""Delivers a phase to the API while it runs: state, log, host results.

Its own thread reads the log file by offset, so that an API that is slow or away neither slows the
phase nor costs memory. It sends one request at a time: the start, then by turns the log, and host
results as they change, silent hosts, a hold; and at the end the rest of the log, all host results
(the last batch marked `final`), and the end.
"""

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .api import Api, Piece, Refused, Unavailable, create_packer
from .report import Host
from .silence import Report, Silence

# This much is sent at once; less waits a moment for more.
CHUNK_BYTES = 256 * 1024
# Limit of one request, as each is a transaction of the API.
MAX_PIECE_BYTES = 2 * 1024 * 1024
# Compressed size at which a piece is complete: the API takes 1 MiB, and one more chunk may not
# shrink at all.
ENOUGH_PACKED_BYTES = 640 * 1024
COLLECT_SECONDS = 0.2
IDLE_SECONDS = 1.0
BATCH_HOSTS = 1000
REQUEST_SECONDS = 30.0
SILENCE_SECONDS = 5.0
MIN_BACK_OFF_SECONDS = 0.2
MAX_BACK_OFF_SECONDS = 10.0
# Finds an API that is back within a quarter of the time that it was away.
BACK_OFF_GROWTH = 1.25
NOT_FOUND = 404
# How long delivery may continue after a request to stop.
HURRIED_SECONDS = 5.0

Request = Callable[[float], None]
# Returns the results so far, or None if they have not changed. If called with true, returns all of
# them, or None if there are none.
HostReader = Callable[[bool], "list[Host] | None"]


class HostBatches:
    """
    The host results of a phase in batches, of which each is one request. A batch stays the next one
    until it is told.
    """

    def __init__(self, read: HostReader, read_facts: Callable[[], Mapping[str, bool]]) -> None:
        self._read = read
        self._read_facts = read_facts
        self._batches: list[dict[str, Any]] = []
        self._sequence = 0
        self._is_final = False
        # Told with all results of a further run, with their first sequence.
        self._rerun: dict[str, Any] | None = None
        self._begun_rerun: dict[str, Any] | None = None
        # Whether the API may have lost what it was told.
        self._is_lost = False
        # What was told of each host, as a hash, because there may be very many.
        self._told: dict[str, int] = {}

    def tell_again(self) -> None:
        """Has all results told again. Like the next method, for another thread."""
        self._is_lost = True

    def begin_again(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        # One more batch of the run before may be about to be told.
        rerun = {**facts, "first_sequence": self._sequence + 2}
        self._rerun = rerun
        return rerun

    def collect(self, is_final: bool) -> None:
        """Reads what has changed if nothing is left to tell, and everything at the end, once."""
        rerun = self._rerun
        if rerun is not None and rerun is not self._begun_rerun:
            self._begun_rerun = rerun
            self._sequence = rerun["first_sequence"] - 1
            # Empty, so that no result of the run before is shown any more.
            self._batches = [{"final": False, "hosts": []}]
            self._told = {}
        if self._is_final or (self._batches and not is_final):
            return
        is_lost, self._is_lost = self._is_lost, False
        is_whole = is_final or is_lost
        hosts = self._read(is_whole)
        self._is_final = is_final
        if hosts is not None:
            fresh = self._note_fresh(hosts)
            hosts = hosts if is_whole else fresh
        if hosts is None or not (hosts or is_whole):
            self._batches = []
            return
        starts = range(0, max(len(hosts), 1), BATCH_HOSTS)
        self._batches = [{"final": False, "hosts": hosts[at : at + BATCH_HOSTS]} for at in starts]
        self._batches[-1]["final"] = is_final
        if is_final:
            self._batches[-1].update(self._read_facts())

    def _note_fresh(self, hosts: list[Host]) -> list[Host]:
        """Returns those that were not told so before."""
        now = {host["host"]: hash(repr(host)) for host in hosts}
        before, self._told = self._told, now
        return [host for host in hosts if before.get(host["host"]) != now[host["host"]]]

    def is_empty(self) -> bool:
        return not self._batches

    def next(self) -> dict[str, Any]:
        self._sequence += 1
        rerun = {} if self._begun_rerun is None else {"rerun": self._begun_rerun}
        return {"sequence": self._sequence, **self._batches[0], **rerun}

    def note_told(self) -> None:
        self._batches.pop(0)


class Delivery:
    def __init__(
        self,
        api: Api,
        log: Path,
        started: Mapping[str, Any],
        read_hosts: HostReader,
        read_facts: Callable[[], Mapping[str, bool]],
        silence: Silence,
    ) -> None:
        self._api = api
        self._log = log
        self._started = started
        self._hosts = HostBatches(read_hosts, read_facts)
        self._silence = silence
        self._ended: Mapping[str, Any] | None = None
        self._deadline = float("inf")
        self._written = 0
        self._offset = 0
        # Whether the API may have lost a part of the log.
        self._is_offset_sure = True
        self._prepared: Piece | None = None
        self._grown_at = 0.0
        self._is_announced = False
        self._hold: Callable[[], Mapping[str, Any]] | None = None
        self._last_hold: Callable[[], Mapping[str, Any]] | None = None
        # How much of the log comes before the hold.
        self._held_at = 0
        # Whether the last request was a part of the log: then it is the turn of the others.
        self._has_appended = False
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._done = threading.Event()
        # The status with which the API refused the phase.
        self.refused: int | None = None
        self.has_final_hosts = False
        self.has_end = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="delivery", daemon=True).start()

    def advance(self, size: int) -> None:
        """To be called when the log has grown to `size`."""
        was_idle = self._written <= self._offset
        if was_idle:
            self._grown_at = time.monotonic()
        self._written = size
        if was_idle or size - self._offset >= CHUNK_BYTES:
            self._wake.set()

    def hold(self, to_report: Callable[[], Mapping[str, Any]]) -> None:
        """Reports the hold once the log and the host results so far are delivered."""
        self._held_at = self._written
        self._hold = self._last_hold = to_report
        self._wake.set()

    def hold_again(self) -> None:
        """To be called if the API has lost the hold, and maybe what was reported before it."""
        self._is_offset_sure = False
        self._hosts.tell_again()
        self._hold = self._last_hold
        self._wake.set()

    def begin_again(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """
        To be called before the command runs again. Its results take the place of all earlier ones.
        Returns the facts with what tells these results from the earlier ones.
        """
        rerun = self._hosts.begin_again(facts)
        self._wake.set()
        return rerun

    def finish(
        self, ended: Mapping[str, Any], wait_seconds: float, is_hurried: Callable[[], bool]
    ) -> None:
        """Waits until everything is delivered or refused, or the time is over."""
        self._deadline = time.monotonic() + wait_seconds
        self._ended = ended
        self._ending.set()
        self._wake.set()
        while not self._done.wait(0.05) and time.monotonic() < self._deadline:
            if is_hurried():
                self._deadline = min(self._deadline, time.monotonic() + HURRIED_SECONDS)
                is_hurried = _never

    def _run(self) -> None:
        try:
            self._deliver()
        except Exception:
            # Printed before `_done` is set: Python aborts if it exits while a thread is printing.
            traceback.print_exc()
        finally:
            # Also after a defect, so that nobody waits for what will never be delivered.
            self._api.close()
            self._done.set()

    def _deliver(self) -> None:
        back_off = MIN_BACK_OFF_SECONDS
        while not self.has_end and time.monotonic() < self._deadline:
            request = self._next_request()
            if request is None:
                self._wait()
                continue
            try:
                request(min(REQUEST_SECONDS, max(self._deadline - time.monotonic(), 0.1)))
                back_off = MIN_BACK_OFF_SECONDS
            except Refused as refusal:
                self.refused = refusal.status
                break
            except Unavailable as error:
                self._pause(max(back_off * random.uniform(0.5, 1), error.retry_after_seconds))
                back_off = min(back_off * BACK_OFF_GROWTH, MAX_BACK_OFF_SECONDS)

    def _next_request(self) -> Request | None:
        is_over = self._ended is not None
        if not self._is_announced and not is_over:
            return self._announce
        if not self._is_offset_sure:
            return self._find_offset
        pending = self._written - self._offset
        age = time.monotonic() - self._grown_at
        is_due = pending >= CHUNK_BYTES or (pending > 0 and (is_over or age >= COLLECT_SECONDS))
        if is_due and (is_over or not self._has_appended):
            self._has_appended = True
            return self._append_log
        self._has_appended = False
        return self._next_other(is_over) or (self._append_log if is_due else None)

    def _next_other(self, is_over: bool) -> Request | None:
        self._hosts.collect(is_over)
        if not self._hosts.is_empty():
            return self._put_hosts
        report = self._silence.next()
        if report is not None:
            return lambda timeout_seconds: self._put_silence(report, timeout_seconds)
        if self._hold is not None and self._offset >= self._held_at:
            return self._put_hold
        return self._put_end if is_over else None

    def _announce(self, timeout_seconds: float) -> None:
        self._api.put("", self._started, timeout_seconds)
        self._is_announced = True

    def _find_offset(self, timeout_seconds: float) -> None:
        self._is_offset_sure = True
        try:
            self._offset = min(self._offset, self._api.find_log_end(timeout_seconds))
        except Unavailable:
            self._is_offset_sure = False
            raise

    def _append_log(self, timeout_seconds: float) -> None:
        piece = self._prepared
        if piece is None or piece.offset != self._offset:
            piece = self._read_piece(self._offset)
        self._prepared = None
        offset = self._api.append_log(piece, timeout_seconds, lambda: self._prepare(piece.end))
        self._offset = min(offset, self._written)
        if offset < piece.offset:
            # The API has lost what it had, as after a restore of its database.
            self._hosts.tell_again()
            self._hold = self._last_hold

    def _prepare(self, offset: int) -> None:
        """Compresses the next piece while the previous one is being sent."""
        if self._written - offset >= CHUNK_BYTES:
            self._prepared = self._read_piece(offset)

    def _read_piece(self, offset: int) -> Piece:
        packer = create_packer()
        packed = bytearray()
        size = 0
        with self._log.open("rb") as log:
            log.seek(offset)
            while len(packed) < ENOUGH_PACKED_BYTES:
                left = min(MAX_PIECE_BYTES, self._written - offset) - size
                data = log.read(min(CHUNK_BYTES, left))
                if not data:
                    break
                packed += packer.compress(data)
                size += len(data)
        return Piece(offset, size, bytes(packed + packer.flush()))

    def _put_hosts(self, timeout_seconds: float) -> None:
        batch = self._hosts.next()
        self._api.put("/hosts", batch, timeout_seconds)
        self._hosts.note_told()
        self.has_final_hosts = bool(batch["final"])

    def _put_silence(self, report: Report, timeout_seconds: float) -> None:
        """Never holds up the log: after a failure, the state is soon reported anew."""
        try:
            self._api.put("/silence", report, min(timeout_seconds, SILENCE_SECONDS))
        except Unavailable:
            self._silence.note_lost()
            return
        except Refused as refusal:
            # An earlier version of the API has no such route. If it is the phase that is missing,
            # the next request finds out.
            if refusal.status != NOT_FOUND:
                raise
            return
        self._silence.note_told(report)

    def _put_hold(self, timeout_seconds: float) -> None:
        hold = self._hold
        self._api.put("/hold", hold() if hold else {}, timeout_seconds)
        # Another hold may have been set meanwhile.
        if self._hold is hold:
            self._hold = None

    def _put_end(self, timeout_seconds: float) -> None:
        self._api.put("", self._ended or {}, timeout_seconds)
        self.has_end = True

    def _wait(self) -> None:
        is_pending = self._written > self._offset
        self._wake.wait(COLLECT_SECONDS if is_pending else IDLE_SECONDS)
        self._wake.clear()

    def _pause(self, seconds: float) -> None:
        if not self._ending.is_set():
            self._ending.wait(seconds)
            return
        time.sleep(max(min(seconds, self._deadline - time.monotonic()), 0))


def _never() -> bool:
    return False
