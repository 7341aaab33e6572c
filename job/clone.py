"""Phases `git-clone-<i>` and `git-clone-hosts`: one repository at one commit.

Git sees no configuration but ours, asks no questions, and learns passwords from a file that it may
read but not change. An unreachable server is tried again until shortly before the phase's time
limit; what will not change (refused, no such repository, no such commit) ends the phase at once.
"""

import math
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import exits
from .context import Context, to_environment
from .directory import JobDirectory
from .exits import PhaseError
from .waiting import Wait

# What is left of the limit to say why it was not kept.
MARGIN_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0
STALLED_SECONDS = 60

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REFUSED = re.compile(
    r"authentication failed|could not read (username|password)|terminal prompts disabled"
    r"|permission denied|access denied|returned error: 40[13]"
    r"|certificate (problem|verif)|host key verification failed",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"repository( .*)? not found|returned error: (404|410)|does not appear to be a git repository"
    r"|not a git repository|transport '.*' not allowed|unable to find remote helper",
    re.IGNORECASE,
)
# What our own line says already.
PREFIX = re.compile(r"^(fatal|error): (unable to access '[^']*': )?")
# The server is there and has or gives no such object by this name.
UNKNOWN_REF = re.compile(
    r"not our ref|unadvertised object|couldn't find remote ref|shallow|invalid refspec"
    r"|unexpected object|bad object",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Failure:
    text: str

    @property
    def is_final(self) -> bool:
        return bool(REFUSED.search(self.text) or ABSENT.search(self.text))

    @property
    def is_unknown_ref(self) -> bool:
        return not self.is_final and bool(UNKNOWN_REF.search(self.text))

    @property
    def reason(self) -> str:
        """The line that tells most: the first fatal one."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
        line = (fatal or lines or ["git failed"])[0].rstrip(".")
        return PREFIX.sub("", line)


def clone_repository(context: Context) -> int:
    fields = context.phase.fields
    url, commit = str(fields["repository"]["url"]), str(fields["repository"]["commit"])
    clone = Clone(context, url, commit, context.directory.workspace / str(fields["directory"]))
    clone.run()
    return 0


class Clone:
    def __init__(self, context: Context, url: str, commit: str, target: Path) -> None:
        self._url = url
        self._commit = commit
        self._target = target
        self._arguments = to_git_arguments(context)
        self._environment = to_git_environment(context)
        limit = context.phase.timeout_seconds or math.inf
        self._limit = limit
        self._deadline = time.monotonic() + max(limit - MARGIN_SECONDS, limit * 0.8)
        self._wait = Wait(context)
        # Whether the limit is why it was given up.
        self._is_over = False

    def run(self) -> None:
        print(f"Cloning {self._url} at {self._commit}", flush=True)
        self._target.mkdir(parents=True, exist_ok=True)
        self._need("init", "--quiet", "--template=", "--initial-branch=keelson", "--", ".")
        failure = self._fetch("--depth=1", "--", self._url, self._commit)
        if failure is None:
            revision = "FETCH_HEAD"
        elif failure.is_unknown_ref:
            print(f"No single commit to be had ({failure.reason}); fetching everything", flush=True)
            revision = self._fetch_everything()
        else:
            raise self._unreachable(failure)
        self._check_out(revision)

    def _fetch_everything(self) -> str:
        heads, tags = "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"
        failure = self._fetch("--", self._url, heads, tags)
        if failure is not None:
            raise self._unreachable(failure)
        for revision in (self._commit, f"refs/remotes/origin/{self._commit}"):
            found = self._git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
            if found.returncode == 0:
                return found.stdout.strip()
        raise PhaseError(exits.GIT_REF, f"{self._url} has no commit {self._commit}.")

    def _check_out(self, revision: str) -> None:
        self._need("-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", revision)
        head = self._need("rev-parse", "--verify", "HEAD")
        if FULL_HASH.fullmatch(self._commit) and head != self._commit:
            raise PhaseError(exits.GIT_REF, f"{self._url} gave {head} for {self._commit}.")
        print(f"Checked out {head}", flush=True)

    def _fetch(self, *arguments: str) -> Failure | None:
        """Repeats while the server cannot be reached and time is left."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            failure = self._try_fetch(arguments)
            if failure is None or failure.is_final or failure.is_unknown_ref:
                self._wait.end()
                return failure
            if time.monotonic() + pause >= self._deadline:
                self._is_over = True
                return failure
            print(f"{failure.reason}; trying again in {pause:g} s", flush=True)
            self._wait.tell(f"{self._url}: {failure.reason}. {self._to_patience()}")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _to_patience(self) -> str:
        if self._limit == math.inf:
            return "It is tried until it answers (clone_time_limit)."
        return f"It is tried for {self._limit:g} s (clone_time_limit)."

    def _try_fetch(self, arguments: tuple[str, ...]) -> Failure | None:
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", "--quiet")
        try:
            done = self._git("fetch", *options, *arguments)
        except subprocess.TimeoutExpired:
            return Failure("fatal: no answer in time")
        return None if done.returncode == 0 else Failure(done.stderr)

    def _need(self, *arguments: str) -> str:
        done = self._git(*arguments)
        if done.returncode != 0:
            raise PhaseError(exits.INTERNAL, f"git {arguments[0]}: {Failure(done.stderr).reason}.")
        return done.stdout.strip()

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *self._arguments, *arguments],
            cwd=self._target,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self._to_timeout(),
            check=False,
        )

    def _to_timeout(self) -> float | None:
        left = self._deadline - time.monotonic()
        return None if left == math.inf else max(left, 1)

    def _unreachable(self, failure: Failure) -> PhaseError:
        tried = f" Tried for {self._limit:g} s (clone_time_limit)." if self._is_over else ""
        return PhaseError(exits.GIT_CLONE, f"{self._url}: {failure.reason}.{tried}")


def to_git_arguments(context: Context) -> list[str]:
    settings = [
        "credential.helper=",
        "core.hooksPath=/dev/null",
        "core.askPass=",
        "gc.auto=0",
        "http.lowSpeedLimit=1",
        f"http.lowSpeedTime={STALLED_SECONDS}",
    ]
    own = context.directory.secrets / f"git-credentials-{context.phase.name}"
    credentials = own if own.exists() else context.directory.secrets / "git-credentials"
    if credentials.exists():
        # Git tells a helper to erase what a server has refused; this one only reads.
        reading = f"git credential-store --file={shlex.quote(str(credentials))} get"
        body = f'if [ "$1" = get ]; then {reading}; else cat >/dev/null; fi'
        settings.append(f"credential.helper=!f() {{ {body}; }}; f")
    return [argument for setting in settings for argument in ("-c", setting)]


def to_git_environment(context: Context) -> dict[str, str]:
    secrets = context.directory.secrets
    own = secrets / f"git-ca-{context.phase.name}.crt"
    authority = own if own.exists() else secrets / "git-ca.crt"
    return {
        **to_environment(context),
        # The messages that we read are the untranslated ones.
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": context.job.git_protocols,
        "GIT_SSH_COMMAND": shlex.join(to_ssh_command(context.directory)),
        "GIT_SSH_VARIANT": "ssh",
        **({"GIT_SSL_CAINFO": str(authority)} if authority.exists() else {}),
    }


def to_ssh_command(directory: JobDirectory) -> list[str]:
    key, hosts = directory.secrets / "git-ssh-key", directory.secrets / "git-known-hosts"
    options = ["BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "IdentityAgent=none"]
    if key.exists():
        options.append("IdentitiesOnly=yes")
    if hosts.exists():
        options += [f"UserKnownHostsFile={hosts}", "StrictHostKeyChecking=yes"]
    else:
        # Without known hosts the first key is believed, and kept for this job.
        found = directory.workspace / "git-known-hosts"
        options += [f"UserKnownHostsFile={found}", "StrictHostKeyChecking=accept-new"]
    identity = ["-i", str(key)] if key.exists() else []
    return ["ssh", "-F", "none", *identity, *(part for o in options for part in ("-o", o))]
