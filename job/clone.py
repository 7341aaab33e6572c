"""Phases `git-clone-<i>` and `git-clone-hosts`: clone one repository at one commit.

An unreachable server is retried until shortly before the phase's time limit. A failure that will
not change (refused, no such repository, no such commit) ends the phase at once. A commit that is in
the git cache is taken from there, without asking the server.
"""

import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from . import exits
from .context import Context
from .exits import PhaseError
from .git import Failure, to_git_arguments, to_git_environment
from .git_cache import within
from .waiting import Wait

# Part of the limit that is kept for reporting the failure.
MARGIN_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0
# No session waits longer for its commit to be put into the git cache.
KEEPING_SECONDS = 60.0

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def clone_repository(context: Context) -> int:
    if context.job.check_mode and context.phase == context.job.phases[0]:
        print("Check mode: Ansible only reports what it would change.", flush=True)
    fields = context.phase.fields
    target = context.directory.workspace / str(fields["directory"])
    Clone(context, fields["repository"], target).run()
    return 0


class Clone:
    def __init__(self, context: Context, repository: Mapping[str, Any], target: Path) -> None:
        self._url = str(repository["url"])
        self._commit = str(repository["commit"])
        self._target = target
        self._cache = context.job.git_cache
        self._entry = None if self._cache is None else self._cache.entry(repository)
        # Whether the cache has a copy that cannot be used.
        self._is_spoilt = False
        self._arguments = to_git_arguments(context)
        self._environment = to_git_environment(context)
        limit = context.phase.timeout_seconds or math.inf
        self._limit = limit
        self._deadline = time.monotonic() + max(limit - MARGIN_SECONDS, limit * 0.8)
        self._wait = Wait(context)
        # Whether fetching stopped because of the limit.
        self._is_over = False

    def run(self) -> None:
        print(f"Cloning {self._url} at {self._commit}", flush=True)
        if self._take_kept():
            return
        self._begin()
        failure = self._fetch("--depth=1", "--", self._url, self._commit)
        if failure is None:
            self._check_out("FETCH_HEAD")
            self._keep()
        elif failure.is_unknown_ref:
            print(
                f"Cannot fetch this commit alone ({failure.reason}); fetching everything",
                flush=True,
            )
            self._check_out(self._fetch_everything())
        else:
            raise self._unreachable(failure)

    def _begin(self) -> None:
        self._target.mkdir(parents=True, exist_ok=True)
        self._need("init", "--quiet", "--template=", "--initial-branch=keelson", "--", ".")

    def _take_kept(self) -> bool:
        """Returns whether the cache had an intact copy."""
        if self._cache is None or self._entry is None:
            return False
        try:
            with self._cache.open(self._entry) as pack:
                self._begin()
                # A slow volume leaves time for the server.
                self._need("index-pack", "--stdin", stdin=pack, share=0.5)
            # The pack lacks the parents of the commit, so the clone is shallow.
            (self._target / ".git" / "shallow").write_text(f"{self._commit}\n", "ascii")
            self._check_out(self._commit)
        except FileNotFoundError:
            return False
        except (OSError, PhaseError) as error:
            print(f"The copy in the git cache cannot be used: {error}", flush=True)
            self._is_spoilt = True
            if isinstance(error, TimeoutError):
                # A volume that hangs is not asked again.
                self._entry = None
            shutil.rmtree(self._target, ignore_errors=True)
            return False
        self._cache.note_use(self._entry)
        print("Taken from the git cache; the server was not asked", flush=True)
        return True

    def _keep(self) -> None:
        """Puts the commit into the cache. That it fails or hangs does not affect the session."""
        packs = list((self._target / ".git" / "objects" / "pack").glob("*.pack"))
        if self._cache is None or self._entry is None or len(packs) != 1:
            return
        cache, entry, pack = self._cache, self._entry, packs[0]
        try:
            left = self._to_timeout() or math.inf
            within(min(left, KEEPING_SECONDS), lambda: cache.keep(pack, entry, self._is_spoilt))
        except OSError as error:
            print(f"Not added to the git cache: {error}", flush=True)

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
        """Retries while the server cannot be reached and time is left."""
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
            return "Retrying until it answers (clone_time_limit)."
        return f"Retrying for up to {self._limit:.15g} s (clone_time_limit)."

    def _try_fetch(self, arguments: tuple[str, ...]) -> Failure | None:
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", "--quiet")
        # One pack even for few objects, because the cache keeps packs.
        one_pack = ("-c", "fetch.unpackLimit=1")
        before = self._list_packs()
        silence = f"{self._url}: no answer yet. {self._to_patience()}"
        try:
            with self._wait.tell_silence(silence, lambda: self._list_packs() != before):
                done = self._git(*one_pack, "fetch", *options, *arguments)
        except subprocess.TimeoutExpired:
            return Failure("fatal: no answer in time")
        return None if done.returncode == 0 else Failure(done.stderr)

    def _list_packs(self) -> set[str]:
        """With those that are being received."""
        return set(os.listdir(self._target / ".git" / "objects" / "pack"))

    def _need(self, *arguments: str, stdin: IO[bytes] | None = None, share: float = 1.0) -> str:
        try:
            done = self._git(*arguments, stdin=stdin, share=share)
        except subprocess.TimeoutExpired as error:
            given = "clone_time_limit" if share == 1.0 else "part of clone_time_limit"
            fact = f"did not finish within {self._limit * share:.15g} s ({given})"
            raise PhaseError(exits.GIT_CLONE, f"git {arguments[0]} {fact}.") from error
        if done.returncode != 0:
            raise PhaseError(exits.INTERNAL, f"git {arguments[0]}: {Failure(done.stderr).reason}.")
        return done.stdout.strip()

    def _git(
        self, *arguments: str, stdin: IO[bytes] | None = None, share: float = 1.0
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *self._arguments, *arguments],
            cwd=self._target,
            env=self._environment,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self._to_timeout(share),
            check=False,
        )

    def _to_timeout(self, share: float = 1.0) -> float | None:
        left = (self._deadline - time.monotonic()) * share
        return None if left == math.inf else max(left, 1)

    def _unreachable(self, failure: Failure) -> PhaseError:
        fact = f"{self._url}: {failure.reason}."
        if not self._is_over:
            return PhaseError(exits.GIT_CLONE, fact)
        tried = f"Tried for {self._limit:.15g} s (clone_time_limit)."
        return PhaseError(exits.GIT_AWAY, f"{fact} {tried}")
