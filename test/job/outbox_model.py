"""
Runs random phases against a random API, and checks what `Outbox` promises. The API loses requests
and answers, and is restored from older copies; the phase goes on while a request is under way.

Usage: outbox_model.py <seed> <phases>. Prints nothing if all is well.
"""

import random
import sys
from copy import deepcopy

from job import host_batches
from job.host_batches import ReadHosts
from job.outbox import (
    CHUNK_BYTES,
    IDLE_SECONDS,
    LOCAL,
    FindLogEnd,
    LookForSilence,
    Outbox,
    Put,
    SendLog,
    TellSilence,
    Wait,
)

host_batches.BATCH_HOSTS = 2


class Away(Exception):
    pass


class Api:
    """What the API knows. `results` are of the last run that it was told of."""

    def __init__(self):
        self.has_start = self.has_end = self.is_final = False
        self.log_end = 0
        self.run = self.first_sequence = 0
        self.results = {}
        self.hold = None

    def take_hosts(self, body):
        rerun = body.get("rerun", {"count": 0, "first_sequence": 0})
        if rerun["count"] > self.run:
            self.run, self.first_sequence, self.results = *list(rerun.values())[:2], {}
        if body["sequence"] < self.first_sequence:
            return
        self.is_final = self.is_final or body["final"]
        self.results.update({host["host"]: host for host in body["hosts"]})


class Trial:
    def __init__(self, some):
        self.some = some
        self.now = 0.0
        self.api = Api()
        self.copies = [deepcopy(self.api)]
        self.outbox = Outbox({"state": "running"}, some.choice((5.0, float("inf"))))
        self.state = "running"
        self.size = self.run = self.sequence = self.first_sequence = 0
        self.results = []
        self.has_changed = False
        self.hold = None
        # Whether the API was restored, and whether it has noticed that it lacks the hold.
        self.has_lost = self.is_noticed = False
        # Whether nothing happens but requests, all of which arrive.
        self.is_calm = False
        self.silence_sequence = 0
        # What the last look for silent hosts has found, and what the API was told for certain.
        self.silent = self.told_silent = None
        self.is_silence_sure = True
        self.has_to_tell_silence = False
        self.resume_at = 0.0
        self.locals = self.logs = 0

    def chance(self, share):
        return self.some.random() < share

    # The phase.

    def go_on(self):
        """Whatever may happen next, also while a request is under way."""
        if self.is_calm:
            return
        if self.state != "ended" and self.chance(0.02):
            self.api = deepcopy(self.some.choice(self.copies))
            self.has_lost = True
            self.is_noticed = self.hold is not None and self.api.hold != self.hold
        if self.chance({"running": 0.5, "held": 0.05, "ended": 0}[self.state]):
            self.grow(self.some.choice((1, 10, CHUNK_BYTES)))
        self.now += self.some.choice((0, 0.01, 0.3, 2))
        if self.state == "running":
            self.run_on()
        elif self.state == "held" and self.chance(0.1):
            self.end_hold()
        elif self.state == "held" and self.is_noticed and self.chance(0.5):
            self.is_noticed = False
            self.outbox.note_loss()

    def grow(self, by):
        self.size += by
        self.outbox.grow(self.size, self.now)

    def run_on(self):
        if self.chance(0.4):
            changed = {"host": f"x{self.some.randrange(7)}", "run": self.run, "ok": self.now}
            kept = [host for host in self.results if host["host"] != changed["host"]]
            self.results, self.has_changed = [*kept, changed], True
        if self.chance(0.05):
            self.outbox.end_run(self.now)
            self.start_hold() if self.chance(0.7) else self.end()

    def start_hold(self):
        self.state = "held"
        self.tell_hold("held")

    def end_hold(self):
        self.tell_hold("over")
        self.grow(1)
        if self.chance(0.3):
            self.end()
            return
        self.state = "running"
        self.run += 1
        self.results, self.has_changed = [], False
        rerun = self.outbox.begin_again({"count": self.run})
        assert rerun["first_sequence"] > self.sequence
        self.first_sequence = rerun["first_sequence"]

    def tell_hold(self, what):
        self.hold = (what, self.run, self.size)
        hold = self.hold
        self.outbox.hold(lambda: {"hold": hold})

    def end(self):
        """The last line shows a loss. From now on the API is well."""
        self.grow(1)
        self.state = "ended"
        self.resume_at = 0.0
        self.outbox.end({"state": "ended"}, self.now + 1e6)

    # The API.

    def request(self, take):
        """The answer, which may be lost, as may be the request."""
        is_well = self.is_calm or self.state == "ended"
        if not is_well and self.chance(0.2):
            raise Away
        answer = take()
        self.go_on()
        if self.chance(0.1):
            self.copies = [*self.copies[-3:], deepcopy(self.api)]
        if not is_well and self.chance(0.1):
            raise Away
        return answer

    def take(self, step):
        if isinstance(step, Put):
            self.request(lambda: self.take_put(step))
            step.note_told()
        elif isinstance(step, SendLog):
            self.outbox.note_sent(step, self.request(lambda: self.take_log(step.offset)))
        elif isinstance(step, FindLogEnd):
            self.outbox.note_log_end(step, self.request(lambda: self.api.log_end))
        elif isinstance(step, ReadHosts):
            self.read_hosts(step)
        elif isinstance(step, LookForSilence):
            self.look_for_silence(step)
        elif isinstance(step, TellSilence):
            self.tell_silence(step)

    def take_put(self, step):
        kind = step.body.get("state", step.suffix)
        assert not self.api.has_end or kind == "ended", f"{kind} after the end"
        if kind == "running":
            self.api.has_start = True
        elif kind == "/hosts":
            self.api.take_hosts(step.body)
        elif kind == "/hold":
            self.api.hold = step.body["hold"]
        else:
            assert self.state == "ended"
            assert (self.api.log_end, self.api.hold) == (self.size, self.hold), "the end is early"
            assert self.api.is_final, "the end is before the results"
            self.api.has_end = True

    def take_log(self, offset):
        if offset <= self.api.log_end:
            self.api.log_end = max(self.api.log_end, self.some.randint(offset + 1, self.size))
        return self.api.log_end

    def read_hosts(self, step):
        if step.run != self.run or not (self.has_changed or step.is_whole):
            hosts = None
        else:
            hosts, self.has_changed = list(self.results), False
        if self.chance(0.2):
            self.go_on()
        self.outbox.note_hosts(step, hosts, {})

    def look_for_silence(self, step):
        found = self.some.choice((None, {"hosts": 1}, {"hosts": 2}))
        if self.chance(0.5):
            self.go_on()
        self.outbox.note_silent(step, found, self.now)
        is_over = self.state != "running" or step.run != self.run
        self.silent = None if is_over else found
        self.has_to_tell_silence = self.silent != self.told_silent or not self.is_silence_sure

    def tell_silence(self, step):
        assert step.report["silence"] == self.silent, "a look has found something else"
        assert step.report["sequence"] > self.silence_sequence
        self.silence_sequence = step.report["sequence"]
        assert self.has_to_tell_silence, "the API knows it"
        self.has_to_tell_silence = False
        self.is_silence_sure = self.chance(0.5)
        if self.is_silence_sure:
            self.told_silent = self.silent
            self.outbox.note_silence_told(step)
        else:
            self.outbox.note_silence_lost()

    # What is promised.

    def check(self, step):
        if isinstance(step, Wait):
            assert step.seconds > 0
            assert self.state != "ended" or self.now < self.resume_at, "the end waits"
            self.locals = 0
            return
        assert self.now >= self.resume_at, "it asks again at once"
        self.locals = self.locals + 1 if isinstance(step, LOCAL) else 0
        assert self.locals <= 12, "it reads again and again"
        if isinstance(step, LOCAL):
            return
        self.logs = self.logs + 1 if isinstance(step, SendLog) else 0
        is_start = isinstance(step, Put) and step.body.get("state") == "running"
        assert is_start or self.api.has_start or self.state == "ended" or self.has_told_start
        self.has_told_start = self.has_told_start or is_start
        if isinstance(step, Put) and step.suffix == "/hosts":
            self.check_hosts(step.body)
        if isinstance(step, Put) and step.suffix == "/hold":
            assert self.outbox._log.acknowledged >= step.body["hold"][2], "the hold is early"

    has_told_start = False

    def check_hosts(self, body):
        assert body["sequence"] > self.sequence
        self.sequence = body["sequence"]
        assert body.get("rerun", {"count": 0})["count"] == self.run
        assert body["sequence"] >= self.first_sequence
        assert {host["run"] for host in body["hosts"]} <= {self.run}

    def play(self):
        while (step := self.outbox.next(self.now)) is not None:
            self.step_on(step)
            self.go_on()
            if self.state != "ended" and self.chance(0.05):
                self.calm_down()
        assert self.api.has_end
        self.check_results()

    def step_on(self, step):
        self.check(step)
        if isinstance(step, Wait):
            self.now += self.some.uniform(0, step.seconds) + 0.001
        try:
            self.take(step)
        except Away:
            self.resume_at = self.now + 1
            self.outbox.pause(self.resume_at)

    def calm_down(self):
        """After a while the API knows all, unless it has lost something and nobody noticed."""
        self.is_calm = True
        if self.state == "held" and self.is_noticed:
            self.is_noticed = self.has_lost = False
            self.outbox.note_loss()
        is_idle = 0
        while is_idle < 2:
            step = self.outbox.next(self.now)
            if not isinstance(step, LOCAL):
                has_nothing = isinstance(step, Wait) and step.seconds == IDLE_SECONDS
                is_idle = is_idle + 1 if has_nothing else 0
            self.step_on(step)
        assert not self.has_to_tell_silence, "the API does not know of the silence"
        if not self.has_lost:
            assert self.api.log_end == self.size
            assert self.api.hold == self.hold
            self.check_results()
        self.is_calm = False

    def check_results(self):
        assert self.api.run == self.run
        assert self.api.results == {host["host"]: host for host in self.results}


def check_turns():
    """A log that never pauses keeps nothing else back, nor the other way round."""
    outbox = Outbox({"state": "running"}, float("inf"))
    size, told = 0, []
    while len(told) < 12:
        size += CHUNK_BYTES
        outbox.grow(size, 0)
        step = outbox.next(0)
        if isinstance(step, ReadHosts):
            outbox.note_hosts(step, [{"host": "x1", "ok": size}], {})
        elif isinstance(step, SendLog):
            told.append("log")
            outbox.note_sent(step, step.offset + 1)
        else:
            told.append(step.suffix)
            step.note_told()
    assert told[1:] == ["log", "/hosts"] * 5 + ["log"], told


def main():
    seed, phases = int(sys.argv[1]), int(sys.argv[2])
    check_turns()
    for at in range(seed, seed + phases):
        play(at)


def play(seed):
    try:
        Trial(random.Random(seed)).play()
    except AssertionError:
        print(f"seed {seed}")
        raise


main()
