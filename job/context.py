"""What the command of a phase is given, and the environment of every command."""

import os
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from . import exits
from .directory import JobDirectory
from .exits import PhaseError
from .plan import Job, Phase


class Context(NamedTuple):
    directory: JobDirectory
    job: Job
    phase: Phase


def to_environment(context: Context) -> dict[str, str]:
    """
    The environment of every command: of the worker's own variables only the path and the locale,
    and folders that belong to the job.
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
    """Ansible refuses to start with any other encoding."""
    wanted = environment.get("LANG", "")
    return wanted if wanted.lower().replace("-", "").endswith("utf8") else "C.UTF-8"


def replace_process(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        raise PhaseError(exits.INTERNAL, f"{argv[0]}: {error.strerror}.") from error
