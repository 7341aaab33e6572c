"""Phases `ansible-<i>`: one playbook of one layer."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from . import exits
from .context import Context, replace_process
from .exits import PhaseError
from .inventory import HOSTS, LEFT_OUT
from .settings import to_ansible_environment

DEBUG_LAYER = "_debug"
DEBUG_PLAYBOOKS = Path(__file__).resolve().parent / "debug"
# Ansible may read such a limit as several host patterns; only Ansible can tell.
AMBIGUOUS = re.compile(r"[:\[\]\s]")
# In a limit, Ansible would take what follows `@` for the name of a file, and playbooks that read
# `ansible_limit` would run the others as a template.
NOT_PLAIN = re.compile(r"@|\{[{%#]")
# Of the 128 KiB that Linux allows.
MAX_ARGUMENT_BYTES = 100_000
# Not left out, because their tasks may serve the remaining hosts.
LOCALHOST = {"localhost", "127.0.0.1", "::1"}
SPLIT = "import json, sys; from ansible.inventory.manager import split_host_pattern as split; "
SPLIT += "print(json.dumps(split(sys.stdin.read())))"


def run_playbook(context: Context) -> NoReturn:
    fields = context.phase.fields
    context.directory.place_keys()
    playbook = find_playbook(context)
    arguments = [context.job.ansible_playbook, "-i", HOSTS]
    verbosity = int(fields.get("verbosity") or 0)
    if verbosity > 0:
        arguments.append("-" + "v" * verbosity)
    environment = to_playbook_environment(context, playbook)
    arguments += write_limit(context, environment)
    arguments += split_passthrough(str(fields.get("passthrough") or ""))
    arguments.append(str(playbook))
    replace_process(arguments, environment)


def find_playbook(context: Context) -> Path:
    fields = context.phase.fields
    name = str(fields["playbook"])
    if fields["layer"] == DEBUG_LAYER:
        return find_debug_playbook(name)
    layer = context.directory.workspace / str(fields["directory"])
    playbook = layer / name
    if not playbook.resolve().is_relative_to(layer.resolve()):
        raise PhaseError(exits.PLAYBOOK, f"Playbook {name} lies outside of its repository.")
    if not is_file(playbook):
        source = fields.get("clone_url") or layer.name
        raise PhaseError(exits.PLAYBOOK, f"There is no playbook {name} in {source}.")
    return playbook


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # No file system can have such a path, because it or a part of it is too long.
        return False


def find_debug_playbook(name: str) -> Path:
    known = sorted(path.name for path in DEBUG_PLAYBOOKS.glob("*.yaml"))
    if name not in known:
        names = ", ".join(f"debug_{Path(file).stem}" for file in known)
        raise PhaseError(
            exits.PLAYBOOK,
            f"There is no configuration debug_{Path(name).stem}; built in are {names}.",
        )
    return DEBUG_PLAYBOOKS / name


def to_playbook_environment(context: Context, playbook: Path) -> dict[str, str]:
    fields = context.phase.fields
    is_debug = fields["layer"] == DEBUG_LAYER
    folder = playbook.parent if is_debug else context.directory.workspace / fields["directory"]
    results = context.directory.results(context.phase.name)
    heard = context.directory.heard(context.phase.name)
    return {
        **to_ansible_environment(context),
        "ANSIBLE_ROLES_PATH": str(folder / "roles"),
        "SESSION_NAME": context.job.session_name,
        "SESSION_CLONE_URL": str(fields.get("clone_url") or ""),
        "SESSION_PLAYBOOK": str(fields["playbook"]),
        "LAYER_CURRENT": str(fields["layer"]),
        "LAYER_PREVIOUS": str(fields.get("previous_layer") or ""),
        "INVENTORY_TYPE": context.job.inventory_type,
        "KEELSON_RESULTS": str(results),
        # For a site whose ansible.cfg has the callback of ARA, as that of CFS.
        "ARA_DEFAULT_LABELS": context.job.session_name,
        "ARA_RECORD_CONTROLLER": "false",
        "ARA_RECORD_USER": "false",
        # The facts are the result of a task that changes nothing.
        **({"ANSIBLE_DISPLAY_OK_HOSTS": "true"} if is_debug else {}),
        # Makes Ansible mark each task as a check.
        **({"ANSIBLE_CHECK_MODE_MARKERS": "true"} if context.job.check_mode else {}),
        **({"KEELSON_HEARD": str(heard)} if context.phase.host_silent_seconds > 0 else {}),
    }


def write_limit(context: Context, environment: Mapping[str, str]) -> list[str]:
    """
    Passes a limit that is changed, or that cannot be an argument, as a file, from which Ansible
    reads one pattern per line.
    """
    fields = context.phase.fields
    limit = str(fields.get("limit") or "")
    done = set(fields.get("done_hosts") or ()) - LOCALHOST
    left_out: list[str] = []
    if fields.get("limit_names_hosts"):
        left_out = json.loads((context.directory.workspace / LEFT_OUT).read_text("utf-8"))
    # As it is, for playbooks that read `ansible_limit`.
    if is_argument(limit) and not done and not left_out:
        return [f"--limit={limit}"]
    patterns = [] if limit.strip() == "" else split_limit(limit, context, environment)
    if fields.get("limit_names_hosts"):
        # Without any pattern, Ansible would run on all hosts.
        patterns = [pattern for pattern in patterns if pattern not in left_out] or ["!all"]
    if not done:
        return place_limit(context, patterns)
    known = set(list_hosts(context, environment, place_limit(context, patterns)))
    # Hosts of `add_host` are not left out: they may serve the remaining hosts.
    done &= known
    wanted = known - done
    # With a limit, Ansible skips the implicit localhost unless it is named.
    rest = [*(patterns or ["all", "localhost"]), render_exclusion(done)]
    arguments = place_limit(context, rest)
    # Checked, because a group may have the name of a host. If no host remained, the hosts that
    # failed are not known any more.
    if done and wanted and set(list_hosts(context, environment, arguments)) == wanted:
        count = len(known) - len(wanted)
        tell(f"Hosts that have this layer and are left out: {count}, others: {len(wanted)}.")
        return arguments
    tell("It is not certain which hosts have this layer already, so it runs on all.")
    return place_limit(context, patterns)


def is_argument(limit: str) -> bool:
    is_plain = limit.strip() != "" and not NOT_PLAIN.search(limit)
    return is_plain and len(limit.encode()) <= MAX_ARGUMENT_BYTES


def tell(line: str) -> None:
    """Flushes, because this process is about to be replaced and would lose its buffer."""
    print(line, flush=True)


def place_limit(context: Context, patterns: list[str]) -> list[str]:
    if not patterns:
        return []
    # A relative path, because Ansible would split a path at its commas.
    name = f"limit-{context.phase.name}"
    (context.directory.workspace / name).write_text("\n".join(patterns), "utf-8")
    return ["--limit", f"@{name}"]


def render_exclusion(hosts: set[str]) -> str:
    names = "|".join(re.escape(host) for host in sorted(hosts))
    return f"!~(?:{names})\\Z"


def list_hosts(context: Context, environment: Mapping[str, str], limit: list[str]) -> list[str]:
    """The hosts that Ansible would select; empty if it cannot tell."""
    command = Path(context.job.ansible_playbook).with_name("ansible")
    arguments = [str(command), "all", "-i", HOSTS, "--list-hosts", *limit]
    try:
        done = subprocess.run(
            arguments, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
    except OSError:
        return []
    if done.returncode != 0:
        return []
    lines = done.stdout.partition("  hosts (")[2].splitlines()
    return [line.strip() for line in lines[1:]]


def split_limit(limit: str, context: Context, environment: Mapping[str, str]) -> list[str]:
    if "," in limit:
        return [part.strip() for part in limit.split(",") if part.strip()]
    if not AMBIGUOUS.search(limit):
        return [limit]
    python = find_interpreter(context.job.ansible_playbook)
    done = subprocess.run(
        [python, "-c", SPLIT],
        input=limit,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PhaseError(exits.PLAYBOOK, f"Ansible cannot read the limit {limit}.")
    patterns: list[str] = json.loads(done.stdout)
    return patterns


def find_interpreter(ansible_playbook: str) -> str:
    """The Python of Ansible: the one beside the executable, or else the one in its first line."""
    executable = Path(shutil.which(ansible_playbook) or ansible_playbook)
    beside = executable.with_name("python3")
    if beside.exists() and beside.parent.joinpath("activate").exists():
        return str(beside)
    with executable.open("rb") as file:
        first = file.readline(512).decode("utf-8", "replace").strip()
    words = shlex.split(first[2:]) if first.startswith("#!") else []
    return words[-1] if words else sys.executable


def split_passthrough(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise PhaseError(exits.PLAYBOOK, f"ansible_passthrough: {error}.") from error
