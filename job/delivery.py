"""Delivers a phase to the API while it runs: state, log, host results.

Its own thread reads the log file by offset, so that an API that is slow or away neither slows the
phase nor costs memory. It sends one request at a time. What is next is decided by job/outbox.py.
"""

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .api import Api, Piece, Refused, Rejected, Unavailable, create_packer
from .host_batches import ReadHosts
from .outbox import (
    CHUNK_BYTES,
    LOCAL,
    FindLogEnd,
    HoldReport,
    LookForSilence,
    Outbox,
    Put,
    SendLog,
    Step,
    TellSilence,
    Wait,
)
from .results import Results
from .silence import Silence

# Limit of one request, as each is a transaction of the API.
MAX_PIECE_BYTES = 2 * 1024 * 1024
# Compressed size at which a piece is complete: the API takes 1 MiB, and one more chunk may not
# shrink at all.
ENOUGH_PACKED_BYTES = 640 * 1024
REQUEST_SECONDS = 30.0
SILENCE_SECONDS = 5.0
MIN_BACK_OFF_SECONDS = 0.2
MAX_BACK_OFF_SECONDS = 10.0
# Finds an API that is back within a quarter of the time that it was away.
BACK_OFF_GROWTH = 1.25
NOT_FOUND = 404
# How long delivery may continue after a request to stop.
HURRIED_SECONDS = 5.0


class Delivered(NamedTuple):
    has_final_hosts: bool
    # The status with which the API refused what was left.
    refused: int | None


class Delivery:
    """
    `_lock` guards every change of the outbox. It is never held while a file is read or a request is
    under way. All else belongs to the thread.
    """

    def __init__(
        self, api: Api, log: Path, started: Mapping[str, Any], results: Results, silence: Silence
    ) -> None:
        self._api = api
        self._log = log
        self._results = results
        self._silence = silence
        self._lock = threading.Condition()
        self._outbox = Outbox(started, silence.look_seconds)
        self._done = threading.Event()
        self._prepared: Piece | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="delivery", daemon=True).start()

    def advance(self, size: int) -> None:
        """To be called when the log has grown to `size`."""
        with self._lock:
            if self._outbox.grow(size, time.monotonic()):
                self._lock.notify()

    def end_run(self) -> None:
        """To be called each time that the command has ended."""
        with self._lock:
            self._outbox.end_run(time.monotonic())
            self._lock.notify()

    def hold(self, report: HoldReport) -> None:
        """Reports the hold once the log and the host results so far are delivered."""
        with self._lock:
            self._outbox.hold(report)
            self._lock.notify()

    def hold_again(self) -> None:
        """To be called if the API has lost the hold, and maybe what was reported before it."""
        with self._lock:
            self._outbox.note_loss()
            self._lock.notify()

    def begin_again(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """
        To be called before the command runs again. Its results take the place of all earlier ones.
        Returns the facts with what tells these results from the earlier ones.
        """
        with self._lock:
            rerun = self._outbox.begin_again(facts)
            self._lock.notify()
        return rerun

    def finish(
        self, ended: Mapping[str, Any], wait_seconds: float, is_hurried: Callable[[], bool]
    ) -> Delivered:
        """Waits until everything is delivered or refused, or the time is over."""
        deadline = time.monotonic() + wait_seconds
        with self._lock:
            self._outbox.end(ended, deadline)
            self._lock.notify()
        while not self._done.wait(0.05) and time.monotonic() < deadline:
            if is_hurried():
                deadline = min(deadline, time.monotonic() + HURRIED_SECONDS)
                is_hurried = _never
                with self._lock:
                    self._outbox.deadline = deadline
                    self._lock.notify()
        with self._lock:
            return Delivered(self._outbox.has_final_hosts, self._outbox.refused)

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
        while True:
            step = self._await_step()
            if step is None:
                return
            try:
                self._take(step)
                back_off = back_off if isinstance(step, LOCAL) else MIN_BACK_OFF_SECONDS
            except Refused as refusal:
                with self._lock:
                    self._outbox.note_refusal(refusal.status)
            except Unavailable as error:
                seconds = max(back_off * random.uniform(0.5, 1), error.retry_after_seconds)
                back_off = min(back_off * BACK_OFF_GROWTH, MAX_BACK_OFF_SECONDS)
                with self._lock:
                    self._outbox.pause(time.monotonic() + seconds)

    def _await_step(self) -> Step | None:
        with self._lock:
            while isinstance(step := self._outbox.next(time.monotonic()), Wait):
                self._lock.wait(step.seconds)
            return step

    def _take(self, step: Step) -> None:
        match step:
            case Put():
                self._put(step)
            case SendLog():
                self._send_log(step)
            case FindLogEnd():
                end = self._api.find_log_end(self._to_timeout())
                with self._lock:
                    self._outbox.note_log_end(step, end)
            case ReadHosts():
                self._read_hosts(step)
            case LookForSilence():
                now = time.monotonic()
                silent = self._silence.find(now)
                with self._lock:
                    self._outbox.note_silent(step, silent, now)
            case TellSilence():
                self._tell_silence(step)

    def _put(self, step: Put) -> None:
        try:
            self._api.put(step.suffix, step.body, self._to_timeout())
        except Rejected:
            with self._lock:
                is_left_out = step.note_rejected()
            if not is_left_out:
                raise
        else:
            with self._lock:
                step.note_told()

    def _to_timeout(self) -> float:
        return min(REQUEST_SECONDS, max(self._outbox.deadline - time.monotonic(), 0.1))

    def _send_log(self, step: SendLog) -> None:
        piece = self._prepared
        if piece is None or piece.offset != step.offset:
            piece = self._read_piece(step.offset)
        self._prepared = None
        end = piece.end
        offset = self._api.append_log(piece, self._to_timeout(), lambda: self._prepare(end))
        with self._lock:
            self._outbox.note_sent(step, offset)

    def _prepare(self, offset: int) -> None:
        """Compresses the next piece while the previous one is being sent."""
        if self._outbox.log_size - offset >= CHUNK_BYTES:
            self._prepared = self._read_piece(offset)

    def _read_piece(self, offset: int) -> Piece:
        try:
            return self._pack_piece(offset)
        except OSError as error:
            # It may only be for a moment: too many open files, a volume that is away.
            raise Unavailable(repr(error)) from error

    def _pack_piece(self, offset: int) -> Piece:
        packer = create_packer()
        packed = bytearray()
        size = 0
        written = self._outbox.log_size
        with self._log.open("rb") as log:
            log.seek(offset)
            while len(packed) < ENOUGH_PACKED_BYTES:
                left = min(MAX_PIECE_BYTES, written - offset) - size
                data = log.read(min(CHUNK_BYTES, left))
                if not data:
                    break
                packed += packer.compress(data)
                size += len(data)
        return Piece(offset, size, bytes(packed + packer.flush()))

    def _read_hosts(self, step: ReadHosts) -> None:
        hosts = self._results.read(step.is_whole, is_final=step.is_final)
        facts = self._results.read_facts() if step.is_final and hosts is not None else {}
        with self._lock:
            self._outbox.note_hosts(step, hosts, facts)

    def _tell_silence(self, step: TellSilence) -> None:
        """Never holds up the log: after a failure, the state is soon reported anew."""
        try:
            self._api.put("/silence", step.report, min(self._to_timeout(), SILENCE_SECONDS))
        except Unavailable:
            with self._lock:
                self._outbox.note_silence_lost()
        except Refused as refusal:
            # An earlier version of the API has no such route. If it is the phase that is missing,
            # the next request finds out.
            if refusal.status != NOT_FOUND:
                raise
        else:
            with self._lock:
                self._outbox.note_silence_told(step)


def _never() -> bool:
    return False
