"""
Phase `inventory`: puts the generated inventory beside the site's own, and has Ansible read both.
"""

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from . import exits
from .context import Context
from .directory import JobDirectory, write_atomically
from .exits import PhaseError
from .settings import to_ansible_environment

# Relative to the workspace, where every command starts: Ansible would take an absolute path that
# contains a comma for a list of hosts.
HOSTS = "hosts"
GENERATED = "01-cfs-generated.yaml"
# Sorts first, so that any other source of the variable overrides it.
DEFAULTS = "00-cfs-defaults.yaml"
# Any other word of a limit is a pattern, which may well match nothing.
NAME = re.compile(r"[\w.-]+")
# Ansible knows these without an inventory.
IMPLICIT = {"all", "ungrouped", "localhost", "127.0.0.1", "::1"}
MAX_SHOWN = 20
COUNTS = ("ok", "changed", "failed", "skipped", "unreachable")
MISSING = "The limit names it, but the inventory has no host or group of that name."
IS_GROUP = "The limit names it as a host, but in the inventory it is a group, so it is left out."
# Below the workspace: names in the limit that must not select anything.
LEFT_OUT = "limit-left-out.json"
# Name of a group -> its members, as Ansible lists them.
Groups = dict[str, dict[str, list[str]]]
DEFAULTS_TEXT = "all:\n  vars:\n    cray_cfs_image: false\n"


def make_inventory(context: Context) -> int:
    context.directory.place_mounted()
    print_notes(context.directory)
    hosts = context.directory.workspace / HOSTS
    if context.phase.fields.get("definition") == "repo" and not hosts.is_dir():
        raise PhaseError(
            exits.INVENTORY, "The target is the additional inventory, but there is none."
        )
    hosts.mkdir(exist_ok=True)
    write_generated(context.directory, hosts / GENERATED)
    (hosts / DEFAULTS).write_text(DEFAULTS_TEXT, "utf-8")
    return check_inventory(context)


def print_notes(directory: JobDirectory) -> None:
    """
    Prints what the worker wrote to the stored log of this phase before the job began. The job's own
    log must begin with the same bytes, so that the stored log continues where they end. The notes
    of the launch come after them.
    """
    for name in ("inventory-notes.gz", "launch-notes.gz"):
        source = directory.open_staged(name)
        if source is None:
            continue
        with source, gzip.open(source, "rb") as packed:
            shutil.copyfileobj(packed, sys.stdout.buffer)
    sys.stdout.flush()


def write_generated(directory: JobDirectory, target: Path) -> None:
    source = directory.open_staged("inventory.gz")
    if source is None:
        return
    with source, gzip.open(source, "rb") as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, 1024 * 1024)


def check_inventory(context: Context) -> int:
    """
    Returns the exit code of the phase. Fails on a source that Ansible only warns about, because its
    hosts would be missing silently.
    """
    command = Path(context.job.ansible_playbook).with_name("ansible-inventory")
    environment = to_ansible_environment(context) | {
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_INVENTORY_UNPARSED_IS_FAILED": "True",
        # Ansible would print more than the list.
        "ANSIBLE_VERBOSITY": "0",
        "ANSIBLE_DEBUG": "False",
    }
    listing = context.directory.workspace / "tmp" / "inventory.json"
    arguments = [str(command), "-i", HOSTS, "--list"]
    with listing.open("wb") as file:
        try:
            done = subprocess.run(arguments, env=environment, stdout=file, check=False)
        except OSError as error:
            fact = f"{command}, beside ansible-playbook, cannot be started: {error.strerror}."
            raise PhaseError(exits.INTERNAL, fact) from error
    if done.returncode != 0:
        # No line of an error, because Ansible has printed one that says why.
        print("Ansible cannot read the inventory (see above).")
        return exits.INVENTORY
    try:
        groups = json.loads(listing.read_bytes())
    except ValueError as error:
        raise PhaseError(exits.INVENTORY, f"Ansible's list is not JSON: {error}.") from error
    listing.unlink()
    named = {name: group for name, group in groups.items() if name != "_meta"}
    hosts = {host for group in named.values() for host in group.get("hosts", ())}
    # Every inventory of Ansible has these two.
    own = len([name for name in named if name not in ("all", "ungrouped")])
    print(f"Inventory: hosts {len(hosts)}, groups {own}")
    ignored = list_ignored(context, environment)
    warn("Ansible does not read files whose name ends in .ini", ignored)
    # A group without hosts is only listed where it belongs to another one.
    children = {child for group in named.values() for child in group.get("children", ())}
    all_groups = children | named.keys()
    missing = sorted(list_named(context) - hosts - all_groups - IMPLICIT)
    warn("the inventory has no host or group of a name in the limit", missing)
    meant = list_named(context, only_hosts=True)
    mistaken = sorted(name for name in meant & all_groups if list_hosts(named, name) != {name})
    warn("the limit is meant for hosts, so these groups are left out of it", mistaken)
    write_atomically(context.directory.workspace / LEFT_OUT, json.dumps(mistaken))
    report_left_out(context, dict.fromkeys(missing, MISSING) | dict.fromkeys(mistaken, IS_GROUP))
    return 0


def list_ignored(context: Context, environment: Mapping[str, str]) -> list[str]:
    """
    Files that are most likely meant as inventories: the manuals of CFS have such a name. Unless the
    ansible.cfg says otherwise, Ansible before 2.19 ignores them without a word.
    """
    names = sorted(path.name for path in (context.directory.workspace / HOSTS).glob("*.ini"))
    return names if names and ".ini" in read_ignored_endings(context, environment) else []


def read_ignored_endings(context: Context, environment: Mapping[str, str]) -> list[str]:
    """Empty if Ansible cannot tell."""
    command = Path(context.job.ansible_playbook).with_name("ansible-config")
    arguments = [str(command), "dump", "--format", "json"]
    try:
        # Of what it warns, ansible-inventory has warned.
        told = subprocess.run(arguments, env=environment, capture_output=True, check=True)
        settings = json.loads(told.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return []
    named = {setting["name"]: setting for setting in settings if "name" in setting}
    return list(named.get("INVENTORY_IGNORE_EXTS", {}).get("value", ()))


def warn(fact: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        print(f"WARNING: {fact}: {', '.join(names[:MAX_SHOWN])}{more}")


def report_left_out(context: Context, messages: dict[str, str]) -> None:
    """
    Makes what a limit names in vain a result of this phase. Ansible itself only warns of it.
    """
    if not messages:
        return
    nothing = {**dict.fromkeys(COUNTS, 0), "incomplete": False}
    hosts = [{"host": name, **nothing, "message": text} for name, text in messages.items()]
    write_atomically(context.directory.results(context.phase.name), json.dumps({"hosts": hosts}))


def list_named(context: Context, *, only_hosts: bool = False) -> set[str]:
    """The names in the limit of the playbooks."""
    phases = [phase.fields for phase in context.job.phases]
    limits = [
        str(fields.get("limit") or "")
        for fields in phases
        if fields.get("limit_names_hosts") or not only_hosts
    ]
    words = (word.strip() for limit in limits for word in limit.split(","))
    return {word for word in words if NAME.fullmatch(word)}


def list_hosts(groups: Groups, name: str) -> set[str]:
    """The hosts of a group and of the groups below it. Ansible refuses a group below itself."""
    group = groups.get(name, {})
    below = [list_hosts(groups, child) for child in group.get("children", ())]
    return set(group.get("hosts", ())).union(*below)
