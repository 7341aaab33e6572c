"""Commits that were cloned before, so that clones do not need a git server that is busy or away.

Each is one file, `<repository>-<commit>.pack`: the pack as git received it. Git hashes every object
when it reads the file, so a truncated or forged file cannot give a commit other content; it is only
useless. <repository> is a digest of the URL and of the source whose credentials opened it, so
nobody reads under another name what only that source may read.

The most recently used files are kept, up to a total size. Nothing depends on any of them.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")

# Only a hash fixes the content; a branch or a tag may move.
COMMIT = re.compile(r"[0-9a-f]{40}")
# Caching a repository on a local disk gains nothing.
REMOTE = re.compile(r"(?!file:)[^/]+:", re.IGNORECASE)
# Share of the file system that is left free.
SPARED = 0.1
# No copy takes this long, so an older draft is abandoned.
DRAFT_SECONDS = 3600
# A request to a network volume whose server is away does not return.
HANGING_SECONDS = 5.0


class GitCache:
    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def entry(self, repository: Mapping[str, Any]) -> Path | None:
        """
        The file of this commit, whether it exists or not. None if the commit cannot be cached.
        """
        url, commit = str(repository["url"]), str(repository["commit"])
        if not COMMIT.fullmatch(commit) or not REMOTE.match(url):
            return None
        name = json.dumps([url, repository.get("source")])
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}-{commit}.pack"

    def open(self, entry: Path) -> IO[bytes]:
        return within(HANGING_SECONDS, lambda: entry.open("rb"))

    def note_use(self, entry: Path) -> None:
        """Does nothing if the file is gone or cannot be written: then its age does not matter."""
        with contextlib.suppress(OSError):
            within(HANGING_SECONDS, lambda: os.utime(entry))

    def keep(self, pack: Path, entry: Path, is_spoilt: bool) -> None:
        """
        Copies the pack unless it is too large, or there already and not spoilt: of many jobs that
        begin together, one adds the commit. Raises OSError if the directory is not writable.
        """
        if entry.exists() and not is_spoilt:
            return
        size = pack.stat().st_size
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = shutil.disk_usage(self._directory)
        if size > self._max_bytes or disk.free - size < disk.total * SPARED:
            return
        if not self._make_room(size):
            return
        draft = self._directory / f"{uuid.uuid4()}.draft"
        try:
            shutil.copyfile(pack, draft)
            draft.chmod(0o600)
            draft.rename(entry)
        finally:
            draft.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> bool:
        entries: list[tuple[float, int, str]] = []
        with os.scandir(self._directory) as files:
            for file in files:
                # A volume may have files of its own, such as `lost+found`, `.snapshot` and `.nfs…`.
                if not file.name.endswith((".pack", ".draft")):
                    continue
                # Another job may have removed the file meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    status = file.stat()
                    entries.append((status.st_mtime, status.st_size, file.name))
        left = sum(size for _, size, _ in entries)
        abandoned = time.time() - DRAFT_SECONDS
        for used_at, size, name in sorted(entries):
            is_draft = name.endswith(".draft")
            if used_at < abandoned if is_draft else left + wanted > self._max_bytes:
                (self._directory / name).unlink(missing_ok=True)
                left -= size
        return left + wanted <= self._max_bytes


def within(seconds: float, act: Callable[[], T]) -> T:
    """
    What `act` returns, or its OSError. If it takes longer, it is left alone, and the error is a
    TimeoutError.
    """
    done: list[T] = []
    failed: list[OSError] = []

    def run() -> None:
        try:
            done.append(act())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"its volume did not answer within {seconds:.15g} s")
    return done[0]
