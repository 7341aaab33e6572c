"""Which results of hosts the API was told of, and which come next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .report import Host

BATCH_HOSTS = 1000
# About a second, with the pauses between them.
MOST_REJECTIONS = 5

Batch = dict[str, Any]


class ReadHosts(NamedTuple):
    """Asks for the results of a run: all of them, or only if they have changed."""

    run: int
    is_whole: bool
    is_final: bool


class HostBatches:
    """Results in batches, of which each is one request. A batch stays the next until it is told."""

    def __init__(self) -> None:
        self.run = 0
        self.has_final = False
        self._batches: list[Batch] = []
        # How often the API has not taken the first of them.
        self._rejections = 0
        self._sequence = 0
        self._is_final_read = False
        # Told with all results of a further run, with their first sequence.
        self._rerun: dict[str, Any] | None = None
        # Whether the API may have lost what it was told.
        self._is_lost = False
        # What was told of each host, as a hash, because there may be very many.
        self._told: dict[str, int] = {}

    @property
    def first(self) -> Batch | None:
        return self._batches[0] if self._batches else None

    def tell_again(self) -> None:
        self._is_lost = True

    def begin_again(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        self.run += 1
        self._rerun = {**facts, "first_sequence": self._sequence + 1}
        # Empty, so that no result of the run before is shown any more.
        self._batches = [{"final": False, "hosts": []}]
        self._rejections = 0
        self._told = {}
        return self._rerun

    def to_read(self, *, is_over: bool) -> ReadHosts | None:
        """What has changed if nothing is left to tell, and everything at the end, once."""
        if self._is_final_read or (self._batches and not is_over):
            return None
        return ReadHosts(self.run, is_whole=is_over or self._is_lost, is_final=is_over)

    def note_read(
        self, asked: ReadHosts, hosts: list[Host] | None, facts: Mapping[str, Any]
    ) -> None:
        if asked.run != self.run:
            return
        self._is_final_read = asked.is_final
        self._batches = []
        self._rejections = 0
        if hosts is None:
            return
        fresh = self._note_fresh(hosts)
        if asked.is_whole:
            self._is_lost = False
        elif not fresh:
            return
        told = hosts if asked.is_whole else fresh
        starts = range(0, max(len(told), 1), BATCH_HOSTS)
        self._batches = [{"final": False, "hosts": told[at : at + BATCH_HOSTS]} for at in starts]
        if asked.is_final:
            self._batches[-1].update({"final": True, **facts})

    def _note_fresh(self, hosts: list[Host]) -> list[Host]:
        """Returns those that were not told so before."""
        now = {host["host"]: hash(repr(host)) for host in hosts}
        before, self._told = self._told, now
        return [host for host in hosts if before.get(host["host"]) != now[host["host"]]]

    def number(self, batch: Batch) -> Batch:
        """The request: also one that repeats another has a sequence of its own."""
        self._sequence += 1
        rerun = {} if self._rerun is None else {"rerun": self._rerun}
        return {"sequence": self._sequence, **batch, **rerun}

    def note_told(self, batch: Batch) -> None:
        if self.first is batch:
            self._batches.pop(0)
            self._rejections = 0
            self.has_final = bool(batch["final"])

    def note_rejected(self, batch: Batch) -> bool:
        """
        Returns whether the batch is left out from now on, so that it keeps nothing else back. The
        others do not count as final then: all results are in the signed report.
        """
        if self.first is not batch:
            return False
        self._rejections += 1
        if self._rejections < MOST_REJECTIONS:
            return False
        self._batches.pop(0)
        self._rejections = 0
        for later in self._batches:
            later["final"] = False
        return True
