"""What a phase still has to tell the API, and what is next.

Has neither threads nor a clock nor a network: job/delivery.py asks for the next step, takes it, and
notes how it went. Meanwhile the phase may go on, so what is noted may be out of date.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from .host_batches import HostBatches, ReadHosts
from .report import Host
from .silence import SilenceReport, SilenceReports, Silent

# This much is sent at once; less waits a moment for more.
CHUNK_BYTES = 256 * 1024
COLLECT_SECONDS = 0.2
IDLE_SECONDS = 1.0

Report = Mapping[str, Any]
# Rendered when it is told, because it tells how much time is left.
HoldReport = Callable[[], Report]


class Put(NamedTuple):
    """One of the reports that must arrive."""

    suffix: str
    body: Report
    note_told: Callable[[], None]
    # Returns whether a report that the API does not take is left out.
    note_rejected: Callable[[], bool] = lambda: False


class SendLog(NamedTuple):
    offset: int


class FindLogEnd(NamedTuple):
    # How many losses the answer takes account of.
    losses: int


class LookForSilence(NamedTuple):
    run: int


class TellSilence(NamedTuple):
    report: SilenceReport


class Wait(NamedTuple):
    """Nothing is due. Anything that is noted may change that."""

    seconds: float


# Steps that ask nothing of the API.
LOCAL = (ReadHosts, LookForSilence)
Step = Put | SendLog | FindLogEnd | ReadHosts | LookForSilence | TellSilence | Wait


class Outbox:
    """
    Whatever happens, and in whichever order:

    - The start is told first, unless the phase has ended by then. The end is told last, once the
      log, the final results of hosts and the hold are acknowledged.
    - Only an answer acknowledges. What is not acknowledged is told again. An answer to what has
      been replaced meanwhile acknowledges nothing.
    - Each piece of the log begins where the API's log ends, as far as its answers tell. If it turns
      out to have lost a part, it is also told all results of hosts and the last hold again.
    - A hold is told after the log before it and the results of its hosts.
    - Results of hosts that the API does not take, however often, keep nothing else back. Then its
      results are not final.
    - Each request with results of hosts has a higher sequence than those before. Results of a
      further run have sequences from its first one on, and earlier results have lower ones.
    - A log that never pauses keeps nothing else back, nor the other way round.
    - It keeps only what is newest of each kind, so it does not grow while the API is away.
    """

    def __init__(self, started: Report, look_seconds: float) -> None:
        self._started = started
        self._is_announced = False
        self._log = LogProgress()
        self._hosts = HostBatches()
        self._silence = SilenceReports(look_seconds)
        self._hold: HoldReport | None = None
        self._last_hold: HoldReport | None = None
        # How much of the log comes before the hold.
        self._held_at = 0
        self._ended: Report | None = None
        # Whether the last request was a part of the log: then it is the turn of the others.
        self._is_others_turn = False
        self._has_read = False
        self._resume_at = 0.0
        self.deadline = float("inf")
        # The status with which the API refused the phase.
        self.refused: int | None = None
        self.has_end = False

    @property
    def log_size(self) -> int:
        return self._log.written

    @property
    def has_final_hosts(self) -> bool:
        return self._hosts.has_final

    # What happens to the phase.

    def grow(self, size: int, now: float) -> bool:
        """The log has grown to `size`. Returns whether that may change what is next."""
        return self._log.grow(size, now)

    def end_run(self, now: float) -> None:
        self._silence.end(now)

    def hold(self, report: HoldReport) -> None:
        """The phase is held, or its hold is over."""
        self._held_at = self._log.written
        self._hold = self._last_hold = report

    def begin_again(self, facts: Report) -> dict[str, Any]:
        """
        The command is about to run again. Returns the facts with what tells its results from the
        earlier ones.
        """
        self._silence.begin_again()
        return self._hosts.begin_again(facts)

    def end(self, ended: Report, deadline: float) -> None:
        self._ended = ended
        self.deadline = deadline
        self._resume_at = 0.0

    # What happens to the API.

    def note_loss(self) -> None:
        """The API has lost the hold, and maybe what was told before it."""
        self._log.losses += 1
        self._tell_again()

    def note_refusal(self, status: int) -> None:
        self.refused = status

    def pause(self, until: float) -> None:
        """Nothing is sent until then. The end of the phase cuts one pause short."""
        self._resume_at = until

    # How a step went.

    def note_log_end(self, step: FindLogEnd, offset: int) -> None:
        self._log.note_end(step, offset)

    def note_sent(self, step: SendLog, offset: int) -> None:
        self._log.note_sent(offset)
        if offset < step.offset:
            # The API has lost what it had, as after a restore of its database.
            self._tell_again()

    def note_hosts(self, step: ReadHosts, hosts: list[Host] | None, facts: Report) -> None:
        """`hosts`: None if nothing has changed, or nothing can be read. `facts`: if final."""
        self._hosts.note_read(step, hosts, facts)

    def note_silent(self, step: LookForSilence, silent: Silent | None, now: float) -> None:
        self._silence.note_look(silent if step.run == self._hosts.run else None, now)

    def note_silence_told(self, step: TellSilence) -> None:
        self._silence.note_told(step.report)

    def note_silence_lost(self) -> None:
        self._silence.note_lost()

    def next(self, now: float) -> Step | None:
        """None: nothing more is told."""
        if self.has_end or self.refused is not None or now >= self.deadline:
            return None
        if now < self._resume_at:
            return Wait(min(self._resume_at, self.deadline) - now)
        step = self._choose(now)
        # Results are read once before each request, and each wait.
        self._has_read = isinstance(step, ReadHosts)
        return step

    def _choose(self, now: float) -> Step:
        is_over = self._ended is not None
        if not self._is_announced and not is_over:
            return Put("", self._started, self._note_announced)
        if self._log.end_is_unsure:
            return FindLogEnd(self._log.losses)
        is_due = self._log.is_due(now, is_over)
        if not is_due or (self._is_others_turn and not is_over):
            step = self._choose_other(now)
            if step is not None:
                self._is_others_turn = self._is_others_turn and isinstance(step, LOCAL)
                return step
        self._is_others_turn = is_due
        if is_due:
            return SendLog(self._log.acknowledged)
        return Wait(IDLE_SECONDS if self._log.pending == 0 else COLLECT_SECONDS)

    def _choose_other(self, now: float) -> Step | None:
        hosts = None if self._has_read else self._hosts.to_read(is_over=self._ended is not None)
        if hosts is not None:
            return hosts
        batch = self._hosts.first
        if batch is not None:
            return Put(
                "/hosts",
                self._hosts.number(batch),
                partial(self._hosts.note_told, batch),
                partial(self._hosts.note_rejected, batch),
            )
        if self._silence.is_due(now):
            return LookForSilence(self._hosts.run)
        silence = self._silence.take()
        if silence is not None:
            return TellSilence(silence)
        hold = self._hold
        if hold is not None and self._log.acknowledged >= self._held_at:
            return Put("/hold", hold(), partial(self._note_hold, hold))
        return None if self._ended is None else Put("", self._ended, self._note_end)

    def _tell_again(self) -> None:
        self._hosts.tell_again()
        self._hold = self._last_hold

    def _note_announced(self) -> None:
        self._is_announced = True

    def _note_hold(self, told: HoldReport) -> None:
        if self._hold is told:
            self._hold = None

    def _note_end(self) -> None:
        self.has_end = True


class LogProgress:
    """How much of the log is written, and how much of that the API has."""

    def __init__(self) -> None:
        self.written = 0
        self.acknowledged = 0
        # How often the API may have lost a part, and how many of these losses are cleared up.
        self.losses = 0
        self._settled = 0
        self._grown_at = 0.0

    @property
    def pending(self) -> int:
        return self.written - self.acknowledged

    @property
    def end_is_unsure(self) -> bool:
        return self.losses > self._settled

    def grow(self, size: int, now: float) -> bool:
        before = self.pending
        if before == 0:
            self._grown_at = now
        self.written = size
        # With more than that only a pause is waited for.
        return before == 0 or before < CHUNK_BYTES <= self.pending

    def is_due(self, now: float, is_over: bool) -> bool:
        is_old = is_over or now - self._grown_at >= COLLECT_SECONDS
        return self.pending >= CHUNK_BYTES or (self.pending > 0 and is_old)

    def note_sent(self, offset: int) -> None:
        self.acknowledged = min(offset, self.written)

    def note_end(self, asked: FindLogEnd, offset: int) -> None:
        self._settled = asked.losses
        self.acknowledged = min(offset, self.acknowledged)
