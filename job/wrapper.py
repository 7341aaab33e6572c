"""Runs one phase from its start until its last descendant has ended, and reports how it ended."""

import contextlib
import errno
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from . import exits
from .api import Api
from .clock import now
from .command import clean_up, run_command
from .context import Context
from .delivery import Delivery
from .directory import JobDirectory, PhaseState, to_time
from .hold import LOST, OVER, RELEASED, STOPPED, Hold, HoldEnd, is_wanted, write_shell
from .layer import LayerFiles
from .output import Output
from .plan import Job, read_job
from .process import become_subreaper, end_descendants, read_name, start_child
from .redaction import Redactor, read_secrets
from .report import Host, sign_report, to_line
from .results import Results
from .signals import Signals
from .silence import Silence
from .termination import count_room
from .watch import Ended, Watch

# Keeps the end of the hold a valid date.
MAX_HOLD_SECONDS = 10 * 365 * 86_400
# The most processes that are named if some could not be ended.
MAX_SHOWN = 5


def run_phase(
    directory: JobDirectory, name: str, has_reader: bool, known: Job | None = None
) -> int:
    """
    `has_reader`: also write the phase's output to our own stdout. `known`: the plan of the job, as
    it was read when the job began.
    """
    supervisor = os.getppid()
    signals = Signals()
    become_subreaper()
    directory.make_folders()
    job = known or read_job(directory.plan)
    context = Context(directory, job, job.phase(name))
    started_at = to_time(now())
    try:
        if not directory.claim(name):
            print(f"ERROR! Phase {name} has already been started once.", file=sys.stderr)
            return exits.INTERNAL
        return Wrapper(context, signals, supervisor, started_at, has_reader).run()
    except Exception as error:
        code = exits.DISK_FULL if is_full(error) else exits.INTERNAL
        # stderr may be on the full disk too; the exit code tells the supervisor as much.
        with contextlib.suppress(OSError):
            traceback.print_exc()
        with contextlib.suppress(OSError):
            end_as_defect(context, started_at, code, error, has_reader)
        return code


def is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def end_as_defect(
    context: Context, started_at: str, code: int, error: Exception, has_reader: bool
) -> None:
    """
    Ends the phase after a failure of the wrapper, such as a full disk. Leaves no process running.
    """
    try:
        end_descendants(context.job.grace_seconds)
        context.directory.remove_results(context.phase.name)
        if code != exits.DISK_FULL:
            log_defect(context, error, has_reader)
    finally:
        save_defect(context, started_at, code)


def log_defect(context: Context, error: Exception, has_reader: bool) -> None:
    fact = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    redactor = Redactor(read_secrets(context.directory))
    log = Output(context.directory.log(context.phase.name), redactor, has_reader)
    log.line(f"ERROR! The phase cannot be run: {fact}.")


def save_defect(context: Context, started_at: str, code: int) -> None:
    state = PhaseState("ended", started_at, to_time(now()), code)
    log = context.directory.log(context.phase.name)
    context.directory.write_state(context.phase.name, state.with_log(log))


class Wrapper:
    def __init__(
        self,
        context: Context,
        signals: Signals,
        supervisor: int,
        started_at: str,
        has_reader: bool,
    ) -> None:
        self._context = context
        self._directory = context.directory
        self._phase = context.phase
        self._signals = signals
        self._supervisor = supervisor
        self._token = context.directory.read_token()
        redactor = Redactor(read_secrets(context.directory))
        log = context.directory.log(self._phase.name)
        self._output = Output(log, redactor, has_reader)
        self._redactor = redactor
        self._results = Results(context, redactor)
        self._files = LayerFiles(context)
        self._started_at = started_at
        # How often the command was run again, and what is reported of the last time.
        self._reruns = 0
        self._rerun: dict[str, Any] | None = None
        self._delivery: Delivery | None = None

    def run(self) -> int:
        self._save(PhaseState("running", self._started_at))
        command = self._start_command()
        # Threads start after the fork, because it copies only the calling thread.
        self._delivery = self._start_delivery()
        ended = self._watch(*command)
        while self._is_run_again(ended):
            # Now threads run. They hold no lock that the child needs until it is another program.
            ended = self._watch(*self._start_command())
        clean_up(self._context)
        self._finish(ended)
        return to_wrapper_code(ended)

    def _start_command(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        command = start_child(lambda: self._become_command(reading, writing), signal.SIGKILL)
        os.close(writing)
        return command, reading

    def _watch(self, command: int, reading: int) -> Ended:
        watch = Watch(
            command,
            reading,
            self._output,
            self._signals,
            self._context.job.grace_seconds,
            self._phase.timeout_seconds,
            self._to_stop_reason,
        )
        ended = watch.run()
        if self._delivery is not None:
            self._delivery.end_run()
        self._explain(ended)
        return ended

    def _become_command(self, reading: int, writing: int) -> int:
        os.setsid()
        os.close(reading)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nowhere, 0), (writing, 1), (writing, 2)):
            os.dup2(source, target)
        os.close(writing)
        os.chdir(self._directory.workspace)
        return run_command(self._context)

    def _to_stop_reason(self) -> str:
        """
        The kernel signals us when our supervisor is gone; otherwise somebody wants the job to stop.
        """
        is_lost = os.getppid() != self._supervisor and not self._directory.is_stopped()
        return "lost" if is_lost else "stopped"

    def _explain(self, ended: Ended) -> None:
        if ended.killed == "timeout":
            limit = f"{self._phase.timeout_seconds:.15g}"
            self._output.line(
                f"ERROR! The phase was ended: its time limit of {limit} s has passed."
            )
        elif ended.killed is not None:
            self._output.line(f"The phase was ended: {ended.killed}.")
        if ended.left:
            self._output.line(render_left(ended.left))

    def _to_hold_seconds(self, ended: Ended) -> float:
        """How long to hold the phase now; 0: not at all."""
        phase = self._phase
        if ended.exit_code in (0, None) and ended.killed != "timeout":
            return 0
        if phase.debug_wait_seconds > 0:
            return phase.debug_wait_seconds
        may_ask = phase.hold_wait_seconds > 0 and self._context.job.api_url is not None
        # One that was held and fails again is held again.
        is_held = self._reruns > 0 or (may_ask and is_wanted(self._to_api(), self._signals))
        return phase.hold_wait_seconds if is_held else 0

    def _is_run_again(self, ended: Ended) -> bool:
        """Holds the phase if it is to be held, and prepares a further run if one is asked for."""
        seconds = self._to_hold_seconds(ended)
        if seconds == 0:
            return False
        self._files.remember()
        end = self._hold(seconds)
        if not end.is_rerun or self._signals.stop_requested:
            return False
        self._begin_again()
        return True

    def _hold(self, wanted_seconds: float) -> HoldEnd:
        delivery = self._delivery
        seconds = min(wanted_seconds, MAX_HOLD_SECONDS)
        since = now()
        command = write_shell(self._context)
        hold = Hold(self._context, self._signals, since, seconds)
        until = to_time(since + seconds)
        report = {"since": to_time(since), "until": until, "command": command, "can_rerun": True}
        self._output.line(
            f"Held for debugging on {socket.gethostname()} until {until}. "
            f"{self._render_ways(hold)} Open a shell with: {command}"
        )
        if delivery is not None:
            delivery.hold(lambda: {**report, "seconds_left": hold.seconds_left})
            hold.listen(self._to_api(), delivery.hold_again)
        end = hold.wait()
        if end == STOPPED and self._to_stop_reason() == "lost":
            end = LOST
        if delivery is not None and end != RELEASED:
            over = {**report, "until": to_time(now()), "seconds_left": 0}
            delivery.hold(lambda: over)
            if end == OVER:
                end = hold.settle(self._to_api(), over) or end
        self._output.line(f"The hold has ended: {end.reason}.")
        return end

    def _render_ways(self, hold: Hold) -> str:
        """Says how the hold is ended."""
        session = self._context.job.session_name
        has_api = self._context.job.api_url is not None and session != ""
        rerun, release = (
            f"keelson {word} {session}, or " if has_api else "" for word in ("rerun", "release")
        )
        return (
            f"When the cause is corrected, run it again: {rerun}create {hold.rerun}. "
            f"To let it fail: {release}create {hold.complete}."
        )

    def _begin_again(self) -> None:
        changes = self._files.list_changes()
        # The keys that a pod mounts may have been renewed in the hold.
        self._redactor.add(read_secrets(self._directory))
        self._reruns += 1
        self._output.line(render_rerun(self._phase.name, changes))
        self._results.begin_again(are_files_changed=changes != [])
        facts = {"count": self._reruns, "files_changed": changes != []}
        # Without an API no results of earlier runs are stored.
        alone = {**facts, "first_sequence": 0}
        self._rerun = alone if self._delivery is None else self._delivery.begin_again(facts)

    def _to_api(self) -> Api:
        job = self._context.job
        return Api(job.api_url or "", self._token, job.job_id, self._phase.name)

    def _start_delivery(self) -> Delivery | None:
        if self._context.job.api_url is None:
            return None
        delivery = Delivery(
            self._to_api(),
            self._directory.log(self._phase.name),
            {"state": "running", "started_at": self._started_at},
            self._results,
            Silence(self._context, self._redactor),
        )
        self._output.on_growth = delivery.advance
        delivery.start()
        return delivery

    def _finish(self, ended: Ended) -> None:
        state = PhaseState("ended", self._started_at, ended.at, ended.exit_code, ended.killed)
        is_taken = self._finish_delivery(state)
        hosts = self._results.read(everything=True, is_final=True)
        sign = None if hosts is None else self._to_signing(hosts)
        if sign and (signed := sign()):
            self._results.keep_signed(signed)
            if not is_taken:
                self._output.report(to_line(signed))
        self._results.redact(hosts or [])
        final = state.with_log(self._directory.log(self._phase.name))
        room = count_room(final._asdict(), len(self._context.job.phases))
        told = sign(room) if sign and not is_taken else None
        self._directory.write_state(self._phase.name, final, told)
        self._output.drain()

    def _finish_delivery(self, state: PhaseState) -> bool:
        """Returns whether the API has taken the final results of hosts."""
        if self._delivery is None:
            return False
        delivered = self._delivery.finish(
            to_end_report(state, self._output.size),
            self._context.job.report_wait_seconds,
            lambda: self._signals.stop_requested,
        )
        self._output.on_growth = lambda _size: None
        if delivered.refused is not None:
            self._output.line(
                f"The API answered {delivered.refused}: the rest of this phase is not delivered."
            )
        return delivered.has_final_hosts

    def _to_signing(self, hosts: list[Host]) -> Callable[..., str | None]:
        rerun = {} if self._rerun is None else {"rerun": self._rerun}
        facts = {**self._results.read_facts(), **rerun}
        return partial(sign_report, self._phase.name, hosts, facts, self._token)

    def _save(self, state: PhaseState) -> None:
        self._directory.write_state(self._phase.name, state)


def render_rerun(phase: str, changes: list[str]) -> str:
    if not changes:
        return f"{phase} begins again, with unchanged files."
    return (
        f"{phase} begins again, with files that are not those of the recorded commit: "
        f"{'; '.join(changes)}. No component counts as having that commit."
    )


def render_left(pids: tuple[int, ...]) -> str:
    shown = ", ".join(f"{pid} ({read_name(pid)})" for pid in pids[:MAX_SHOWN])
    more = f" and {len(pids) - MAX_SHOWN} more" if len(pids) > MAX_SHOWN else ""
    return f"ERROR! These processes could not be ended and still run: {shown}{more}."


def to_end_report(state: PhaseState, log_bytes: int) -> dict[str, object]:
    report: dict[str, object] = {
        "state": "ended",
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "log_bytes": log_bytes,
    }
    if state.exit_code is not None:
        report["exit_code"] = state.exit_code
    if state.killed is not None and state.killed != "lost":
        report["killed"] = state.killed
    return report


def to_wrapper_code(ended: Ended) -> int:
    if ended.exit_code is not None:
        return ended.exit_code
    return exits.TIMED_OUT if ended.killed == "timeout" else exits.SIGNALLED + signal.SIGTERM
