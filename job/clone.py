"""Phases `git-clone-<i>` and `git-clone-hosts`: one repository at one commit.

An unreachable server is tried again until shortly before the phase's time limit; what will not
change (refused, no such repository, no such commit) ends the phase at once.
"""

import math
import re
import subprocess
import time
from pathlib import Path

from . import exits
from .context import Context
from .exits import PhaseError
from .git import Failure, to_git_arguments, to_git_environment
from .waiting import Wait

# What is left of the limit to say why it was not kept.
MARGIN_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def clone_repository(context: Context) -> int:
    if context.job.check_mode and context.phase == context.job.phases[0]:
        print("Check mode: Ansible only tells what it would change.", flush=True)
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
        self._need("checkout", "--quiet", "--detach", revision)
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
        return f"It is tried for {self._limit:.15g} s (clone_time_limit)."

    def _try_fetch(self, arguments: tuple[str, ...]) -> Failure | None:
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", "--quiet")
        try:
            done = self._git("fetch", *options, *arguments)
        except subprocess.TimeoutExpired:
            return Failure("fatal: no answer in time")
        return None if done.returncode == 0 else Failure(done.stderr)

    def _need(self, *arguments: str) -> str:
        try:
            done = self._git(*arguments)
        except subprocess.TimeoutExpired as error:
            fact = f"was not done within {self._limit:.15g} s (clone_time_limit)"
            raise PhaseError(exits.GIT_CLONE, f"git {arguments[0]} {fact}.") from error
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
        tried = f" Tried for {self._limit:.15g} s (clone_time_limit)." if self._is_over else ""
        return PhaseError(exits.GIT_CLONE, f"{self._url}: {failure.reason}.{tried}")
