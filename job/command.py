"""The command of each kind of phase. It runs in its own process; its output is the phase's."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from . import exits
from .clone import clone_repository
from .context import Context, replace_process, to_environment
from .exits import PhaseError
from .inventory import make_inventory
from .playbook import run_playbook
from .settings import remove_socket_folder


def run_command(context: Context) -> int:
    kind = context.phase.kind
    if kind not in KINDS:
        raise PhaseError(exits.INTERNAL, f"Phase {context.phase.name}: no such kind as {kind}.")
    return KINDS[kind](context)


def clean_up(context: Context) -> None:
    """Removes what a phase may have left outside the job's directory."""
    remove_socket_folder(context.directory)


def run_argv(context: Context) -> NoReturn:
    """Kind `command`: for tests of wrapper and runner only; no session's plan has it."""
    argv: list[str] = context.phase.fields["argv"]
    environment = to_environment(context) | {
        "KEELSON_RESULTS": str(context.directory.results(context.phase.name))
    }
    replace_process(argv, environment)


KINDS: Mapping[str, Callable[[Context], int]] = {
    "command": run_argv,
    "git-clone": clone_repository,
    "git-clone-hosts": clone_repository,
    "inventory": make_inventory,
    "ansible": run_playbook,
}
