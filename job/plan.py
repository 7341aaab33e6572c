"""The plan of a job, as in `job.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .git_cache import GitCache


class Phase(NamedTuple):
    """One phase of the job. `fields` has the members that depend on its kind."""

    name: str
    kind: str
    timeout_seconds: float
    # How long the phase is held if it fails; 0: not at all.
    debug_wait_seconds: float
    # The same, if the API decides whether to hold it.
    hold_wait_seconds: float
    # After how long without news a host is reported as silent; 0: never.
    host_silent_seconds: float
    # After how long without news a host fails in its task; 0: never.
    host_silent_limit_seconds: int
    fields: Mapping[str, Any]


class GitProxy(NamedTuple):
    """An HTTP proxy, and the hosts that are reached without it, as in the variable `no_proxy`."""

    url: str
    no_proxy: str


class Job(NamedTuple):
    job_id: str
    session_name: str
    inventory_type: str
    phases: tuple[Phase, ...]
    # Only for the log; the passthrough is what makes it a check.
    check_mode: bool
    grace_seconds: float
    report_wait_seconds: float
    api_url: str | None
    git_protocols: str
    # None: repositories are reached directly.
    git_proxy: GitProxy | None
    ansible_playbook: str
    # Where clones keep commits for later jobs; None: nowhere.
    git_cache: GitCache | None

    def phase(self, name: str) -> Phase:
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise KeyError(f"job {self.job_id} has no phase {name}")


# Members of a phase whose text may stand at an earlier phase only.
SHARED = ("limit", "passthrough")


def read_job(path: Path) -> Job:
    raw = json.loads(path.read_text("utf-8"))
    by_name = {phase["name"]: phase for phase in raw["phases"]}
    return Job(
        job_id=raw["job_id"],
        session_name=raw.get("session_name", ""),
        inventory_type=raw.get("inventory_type", ""),
        phases=tuple(to_phase(with_shared(phase, by_name)) for phase in raw["phases"]),
        check_mode=bool(raw.get("check_mode", False)),
        grace_seconds=float(raw.get("grace_seconds", 30)),
        report_wait_seconds=float(raw.get("report_wait_seconds", 60)),
        api_url=raw.get("api_url"),
        git_protocols=raw.get("git_protocols", "https:ssh"),
        git_proxy=to_git_proxy(raw.get("git_proxy")),
        ansible_playbook=raw.get("ansible_playbook", "ansible-playbook"),
        git_cache=to_git_cache(raw.get("git_cache")),
    )


def with_shared(raw: Mapping[str, Any], by_name: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replaces `{"same_as": <phase>}` by the text of that phase."""
    places = {key: raw[key] for key in SHARED if isinstance(raw.get(key), dict)}
    texts = {key: by_name[place["same_as"]][key] for key, place in places.items()}
    return {**raw, **texts}


def to_git_cache(raw: Mapping[str, Any] | None) -> GitCache | None:
    return None if raw is None else GitCache(Path(raw["directory"]), int(raw["max_bytes"]))


def to_git_proxy(raw: Mapping[str, Any] | None) -> GitProxy | None:
    return None if raw is None else GitProxy(raw["url"], raw["no_proxy"])


def to_phase(raw: Mapping[str, Any]) -> Phase:
    return Phase(
        name=raw["name"],
        kind=raw["kind"],
        timeout_seconds=float(raw.get("timeout_seconds", 0)),
        debug_wait_seconds=float(raw.get("debug_wait_seconds", 0)),
        hold_wait_seconds=float(raw.get("hold_wait_seconds", 0)),
        host_silent_seconds=float(raw.get("host_silent_seconds", 0)),
        host_silent_limit_seconds=int(raw.get("host_silent_limit_seconds", 0)),
        fields=raw,
    )
