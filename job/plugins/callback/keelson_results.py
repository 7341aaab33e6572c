"""Collects the result of each host, for the wrapper to deliver."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

import atexit
import contextlib
import functools
import json
import os
import re
import struct
import time

from ansible.errors import AnsibleError
from ansible.executor.stats import AggregateStats
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import strategy_loader
from ansible.plugins.strategy import StrategyBase

DOCUMENTATION = """
name: keelson_results
type: aggregate
short_description: Writes the result of each host to a file
description:
  - Writes the counts of each host and its last failed task to the file named by C(KEELSON_RESULTS).
  - Keeps in the file named by C(KEELSON_HEARD) the task that each host is in, and when it was heard
    of last.
  - Loads without being listed, and does nothing where the variable is not set.
author: Keelson
"""

MAX_MESSAGE_CHARACTERS = 1024
# Longer output of a command is cut to its last line, where verbose programs say what ended them.
MAX_LINES = 3
# Results are written while the playbook runs, so that a killed playbook has some too. Writing takes
# only a small share of the time, however many hosts there are.
MIN_SECONDS_BETWEEN_WRITES = 2.0
PAUSE_PER_WRITING = 20
# The format that `job/silence.py` reads: when the host was last heard of, by the monotonic clock
# (0: it is in no task) and by the time of day; after how many seconds Ansible ends the task (0:
# never, or not known); the host; the task.
RECORD = struct.Struct("<ddI240s256s")
CLOCKS = struct.Struct("<dd")
MAX_UINT32 = 2**32 - 1
# What Ansible up to 2.17 says of a task that it has ended; later versions have a field for it.
TIMED_OUT = re.compile(r"The .+ action failed to execute in the expected time frame \((\d+)\) .*")
# Colours and the like.
COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# What SSH says last if the task had a terminal.
CLOSED = re.compile(r"Shared connection to .* closed\.")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "keelson_results"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self):
        super().__init__()
        # Removed, so that a playbook started by a task does not write there too.
        self._path = os.environ.pop("KEELSON_RESULTS", "")
        self.disabled = self._path == ""
        # Ansible's own. Only it knows which failures are rescued or ignored.
        self._stats = AggregateStats()
        self._failures = {}
        self._is_written = True
        self._plays = Plays()
        self._heard = Heard(os.environ.pop("KEELSON_HEARD", ""))
        # Set only for the option; a site's own limit is in its `ansible.cfg`.
        self._limit = int(os.environ.get("ANSIBLE_TASK_TIMEOUT", "0"))
        self._due_at = time.monotonic() + MIN_SECONDS_BETWEEN_WRITES
        self._process = os.getpid()
        # Also in a playbook that a task has started.
        refuse_unstarted()
        if not self.disabled:
            follow_stats(self._note_stats)
            follow_plays(self._plays.end)
            atexit.register(self._write_at_exit)

    def v2_playbook_on_start(self, playbook):
        self._plays.expect(playbook.get_plays())

    def v2_playbook_on_play_start(self, play):
        self._plays.begin(play)
        self._heard.forget()
        if self._stats.processed:
            self._write()

    def v2_playbook_on_task_start(self, task, is_conditional):  # noqa: ARG002
        self._heard.name(task)
        if self._stats.processed and time.monotonic() >= self._due_at:
            self._write()

    def v2_playbook_on_handler_task_start(self, task):
        self._heard.name(task)

    def v2_runner_on_start(self, host, task):
        self._heard.begin(host.get_name(), task)

    def v2_runner_item_on_ok(self, result):
        self._heard.go_on(_host_name(result))

    def v2_runner_item_on_failed(self, result):
        self._heard.go_on(_host_name(result))

    def v2_runner_item_on_skipped(self, result):
        self._heard.go_on(_host_name(result))

    def v2_runner_retry(self, result):
        self._heard.go_on(_host_name(result))

    def v2_runner_on_async_poll(self, result):
        self._heard.go_on(_host_name(result))

    def v2_runner_on_ok(self, result):
        self._heard.end(_host_name(result))

    def v2_runner_on_skipped(self, result):
        self._heard.end(_host_name(result))

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._heard.end(_host_name(result))
        if not ignore_errors:
            self._note_failure(result)

    def v2_runner_on_unreachable(self, result):
        self._heard.end(_host_name(result))
        self._note_failure(result)

    def v2_playbook_on_no_hosts_matched(self):
        self._plays.skip()

    def v2_playbook_on_stats(self, stats):
        self._stats = stats
        self._plays.is_over = True
        self._heard.forget()
        self._write()

    def write_in_time(self):
        """
        Called by our strategies again and again while they wait, so that the results of a task are
        there although another host hangs in it.
        """
        now = time.monotonic()
        if self._is_written or now < self._due_at:
            return
        try:
            self._write()
        except OSError:
            # Here nothing catches it, and a full disk is no reason for Ansible to break off.
            self._due_at = now + MIN_SECONDS_BETWEEN_WRITES

    def _note_stats(self, stats):
        self._stats = stats
        self._is_written = False

    def _note_failure(self, result):
        self._plays.note_failure()
        host = _host_name(result)
        count = self._stats.failures.get(host, 0) + self._stats.dark.get(host, 0)
        is_counted = host in self._stats.processed
        if is_counted and count == self._failures.get(host, {}).get("count", 0):
            # It was rescued or ignored.
            return
        task = getattr(result, "task", None) or result._task
        text = _add_cause(_describe(_fields(result), self._limit), result)
        self._failures[host] = {
            "count": count,
            "task": to_text(task.get_name()),
            "message": COLOURS.sub("", text).strip()[:MAX_MESSAGE_CHARACTERS],
        }

    def _render(self, name, cut_short):
        summary = self._stats.summarize(name)
        has_failed = summary["failures"] > 0 or summary["unreachable"] > 0
        failure = self._failures.get(name) if has_failed else None
        return {
            "host": name,
            "ok": summary["ok"],
            "changed": summary["changed"],
            "failed": summary["failures"],
            "skipped": summary["skipped"],
            "unreachable": summary["unreachable"],
            "incomplete": name in cut_short and not has_failed,
            **({key: failure[key] for key in ("task", "message")} if failure else {}),
        }

    def _write_at_exit(self):
        """Ansible may break off between two writes. Its forks must not write."""
        if self._is_written or os.getpid() != self._process:
            return
        with contextlib.suppress(OSError):
            self._write()

    def _write(self):
        begun = time.monotonic()
        cut_short = self._plays.list_cut_short(self._stats.processed)
        hosts = [self._render(name, cut_short) for name in sorted(self._stats.processed)]
        temporary = f"{self._path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            facts = {"is_over": self._plays.is_over, "is_whole": self._plays.are_whole()}
            json.dump({"hosts": hosts, **facts}, file)
        os.rename(temporary, self._path)
        self._is_written = True
        ended = time.monotonic()
        self._due_at = ended + max((ended - begun) * PAUSE_PER_WRITING, MIN_SECONDS_BETWEEN_WRITES)


def follow_stats(note):
    """
    Calls `note` with Ansible's statistics whenever it adds to them. If a later Ansible counts in
    another way, there are none before the end of the playbook.
    """
    increment = getattr(AggregateStats, "increment", None)
    if increment is None:
        return

    @functools.wraps(increment)
    def increment_noted(self, *arguments, **options):
        increment(self, *arguments, **options)
        note(self)

    AggregateStats.increment = increment_noted


def follow_plays(note):
    """
    Calls `note` at the end of each play or batch, with the hosts that Ansible goes on without,
    whether it was aborted, whether Ansible takes it for a success, and the hosts of the other
    batches. A callback is not told, and not every strategy ends in Ansible's common one.
    """
    load = strategy_loader.get

    @functools.wraps(load)
    def load_followed(name, *arguments, **options):
        strategy = load(name, *arguments, **options)
        if isinstance(strategy, StrategyBase):
            strategy.run = follow_run(strategy, note)
        return strategy

    strategy_loader.get = load_followed


def follow_run(strategy, note):
    run = strategy.run

    @functools.wraps(run)
    def run_followed(iterator, play_context):
        result = run(iterator, play_context)
        manager = strategy._tqm
        failed = {*manager._failed_hosts, *iterator.get_failed_hosts()}
        play = iterator._play
        hosts = strategy._inventory.get_hosts(play.hosts, ignore_restrictions=True)
        others = {host.name for host in hosts if play.serial} - set(strategy._hosts_cache)
        note(failed, result == manager.RUN_UNKNOWN_ERROR, result == manager.RUN_OK, others)
        return result

    return run_followed


def refuse_unstarted():
    """
    Ends the playbook if Ansible can start no process for a task. It would go on as if the task were
    done, or wait for it forever.
    """
    queue = StrategyBase._queue_task

    @functools.wraps(queue)
    def queue_started(self, host, task, *arguments, **options):
        before = self._pending_results
        queue(self, host, task, *arguments, **options)
        if self._pending_results == before:
            raise AnsibleError(f"Task {task.get_name()} could not be started on {host.get_name()}.")

    StrategyBase._queue_task = queue_started


class Plays:
    """
    Follows the plays and their batches (`serial`), to know on which hosts the playbook came to its
    end. Ansible may break off, and then runs no later play or batch.
    """

    def __init__(self):
        self.is_over = False
        # Hosts that Ansible went on without.
        self._cut_short = set()
        # Hosts without which Ansible would go on, if there were another play: it forgets that the
        # failure of an include was rescued.
        self._unforgiven = set()
        self._left = set()
        # Of the present play or batch: whether it is in batches, whether a task has failed, whether
        # its end is not reported, and whether later batches may have been left out.
        self._is_serial = False
        self._has_failures = False
        self._is_open = False
        self._may_be_broken_off = False
        # Hosts of the present play that have been in no batch so far.
        self._rest = None
        # Those of them whom Ansible left out, if the present batch is the last.
        self._missed = set()
        # Whether the end of an earlier one was not reported.
        self._is_unclear = False
        # Whether an error of the system ended the present one. Ansible says so in its log only.
        self._was_aborted = False

    def expect(self, plays):
        self._left = {play._uuid for play in plays}

    def begin(self, play):
        """Also for each batch. What came before was not broken off, because this follows."""
        self._is_unclear = self._is_unclear or self._is_open
        self._is_serial = bool(play.serial)
        self._has_failures = False
        self._is_open = True
        self._may_be_broken_off = False
        self._missed = set()
        if play._uuid in self._left:
            self._cut_short |= self._unforgiven
            self._rest = None
        self._left.discard(play._uuid)

    def note_failure(self):
        self._has_failures = True

    def skip(self):
        """The play has no hosts."""
        self._is_open = False

    def end(self, failed_hosts, was_aborted, is_well, others):
        has_failures = self._has_failures or not self._cut_short.issuperset(failed_hosts)
        self._may_be_broken_off = has_failures and self._is_serial
        hosts = self._unforgiven if is_well else self._cut_short
        hosts.update(failed_hosts)
        self._rest = others if self._rest is None else self._rest & others
        # A play that lost no host may have been ended by its own `meta: end_play`.
        has_lost = self._may_be_broken_off and (failed_hosts or not is_well)
        self._missed = self._rest if has_lost else set()
        self._is_open = was_aborted
        self._was_aborted = was_aborted

    def list_cut_short(self, hosts):
        """Those of `hosts` that did not, or may not, come to the end of the playbook."""
        if self.is_over and (self._left or self._was_aborted):
            # Ansible broke off, and only it knows for which hosts the rest is.
            return set(hosts)
        missed = self._missed if self.is_over else set()
        return self._cut_short | missed | (self._unforgiven if self._left else set())

    def are_whole(self):
        """Whether every host that neither failed nor was cut short came to the end."""
        is_unclear = self._is_unclear or self._is_open or self._may_be_broken_off
        return self.is_over and not self._left and not is_unclear


class Heard:
    """
    Records which host is in which task, for another process to check: nothing here runs while
    Ansible waits. A host that Ansible has not started, because all `forks` are busy, is in no task.
    """

    def __init__(self, path):
        self._file = None
        self._places = {}
        self._named = (None, "")
        if path:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def name(self, task):
        """
        Keeps the name that the log shows; later, Ansible does not fill in its variables any more.
        """
        self._named = (task._uuid, task.get_name())

    def begin(self, host, task):
        if self._file is None:
            return
        place = self._places.setdefault(host, len(self._places))
        named, name = self._named
        text = name if named == task._uuid else task.get_name()
        texts = (part.encode("utf-8", "replace") for part in (host, text))
        limit = _read_timeout(task)
        self._write(place, RECORD.pack(time.monotonic(), time.time(), limit, *texts))

    def go_on(self, host):
        if host in self._places:
            self._write(self._places[host], CLOCKS.pack(time.monotonic(), time.time()))

    def end(self, host):
        if host in self._places:
            self._write(self._places[host], CLOCKS.pack(0, 0))

    def forget(self):
        for host in self._places:
            self.end(host)

    def _write(self, place, record):
        try:
            os.pwrite(self._file, record, place * RECORD.size)
        except OSError:
            # Silent, because Ansible itself reports a full disk.
            self._file, self._places = None, {}


def _read_timeout(task):
    """Seconds. Does not apply to polls, and a template is filled in only in the host's process."""
    text = "" if task.async_val else str(task.timeout)
    return min(int(text), MAX_UINT32) if text.isdecimal() else 0


def _host_name(result):
    return (getattr(result, "host", None) or result._host).get_name()


def _fields(result):
    fields = getattr(result, "result", None)
    return result._result if fields is None else fields


def _describe(fields, limit):
    """
    The most telling text. With `no_log`, Ansible has removed all but a notice. `limit`: seconds
    after which the option `host_silent_limit` ends a task; 0: never.
    """
    if "censored" in fields:
        return to_text(fields["censored"])
    modules = fields.get("failed_modules")
    parts = [
        *(fields.get("results") or ()),
        *(modules.values() if isinstance(modules, dict) else ()),
    ]
    for part in parts:
        if isinstance(part, dict) and (part.get("failed") or part.get("unreachable")):
            return _describe(part, limit)
    if limit > 0 and _to_timeout(fields) == limit:
        return f"Nothing was heard from the host for {limit} s, so host_silent_limit ended the task"
    for key in ("msg", "stderr", "module_stderr", "stdout", "module_stdout", "reason"):
        if fields.get(key):
            text = _to_text(fields[key])
            return _explain(text, fields) if key == "msg" else text
    return "no message"


def _to_text(value):
    return to_text(value if isinstance(value, str) else json.dumps(value, default=to_text))


def _to_timeout(fields):
    """After how many seconds Ansible ended the task; None if it did not."""
    if isinstance(fields.get("timedout"), dict):
        return fields["timedout"].get("period")
    told = TIMED_OUT.fullmatch(to_text(fields.get("msg", ""), nonstring="simplerepr"))
    return int(told[1]) if told else None


def _explain(text, fields):
    """Adds what is known of the cause, where Ansible says only that something failed."""
    if text == "non-zero return code":
        lines = _to_lines(fields.get("stderr") or fields.get("stdout"))
        told = " ".join(lines if len(lines) <= MAX_LINES else lines[-1:])
        return _join(f"{text} {fields.get('rc', '')}".rstrip(), told)
    if "module_stderr" in fields:
        # With a terminal, all output of the module is in `module_stdout`.
        lines = _to_lines(fields["module_stderr"]) or _to_lines(fields.get("module_stdout"))
        what = text.splitlines()[0].rstrip(".")
        return _join(f"{what} (exit code {fields.get('rc', 'unknown')})", "".join(lines[-1:]))
    if text == "Assertion failed":
        return _join(text, _to_text(fields.get("assertion", "")))
    return text


def _add_cause(text, result):
    """Ansible from 2.19 on may keep the innermost error beside the result."""
    event = getattr(getattr(result, "exception", None), "event", None)
    while getattr(event, "chain", None):
        event = event.chain.event
    cause = to_text(getattr(event, "msg", ""))
    # Any other text says more, or must not say more.
    is_plain = text == _fields(result).get("msg") and cause not in text
    return _join(text.rstrip("."), cause) if is_plain else text


def _to_lines(output):
    lines = [line.strip() for line in to_text(output or "").split("\n")]
    return [line for line in lines if line and not CLOSED.fullmatch(line)]


def _join(what, told):
    return f"{what}: {told}" if told else what
