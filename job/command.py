"""Which command a phase runs. Each runs in a process of its own, whose output is the phase's."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from . import exits
from .directory import JobDirectory
from .exits import PhaseError
from .plan import Job, Phase


@dataclass(frozen=True)
class Context:
    directory: JobDirectory
    job: Job
    phase: Phase


def run_command(context: Context) -> int:
    kind = context.phase.kind
    if kind not in KINDS:
        raise PhaseError(exits.INTERNAL, f"Phase {context.phase.name}: no such kind as {kind}.")
    return KINDS[kind](context)


def clean_up(context: Context) -> None:
    """Removes what a phase leaves outside the job's directory."""


def run_argv(context: Context) -> NoReturn:
    """Kind `command`, for tests of wrapper and runner; no plan of a session has it."""
    argv: list[str] = context.phase.fields["argv"]
    environment = to_environment(context) | {
        "KEELSON_RESULTS": str(context.directory.results(context.phase.name))
    }
    replace_process(argv, environment)


def to_environment(context: Context) -> dict[str, str]:
    """
    What every command sees: nothing of the worker's own environment but the path, and folders of
    the job's.
    """
    home = context.directory.workspace / "home"
    temporary = context.directory.workspace / "tmp"
    for folder in (home, temporary):
        folder.mkdir(mode=0o700, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": to_utf8_locale(os.environ),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "KEELSON_JOB": context.job.job_id,
    }


def to_utf8_locale(environment: Mapping[str, str]) -> str:
    """Ansible refuses to start with another encoding."""
    wanted = environment.get("LANG", "")
    return wanted if wanted.lower().replace("-", "").endswith("utf8") else "C.UTF-8"


def replace_process(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        raise PhaseError(exits.INTERNAL, f"{argv[0]}: {error.strerror}.") from error


KINDS: Mapping[str, Callable[[Context], int]] = {"command": run_argv}
