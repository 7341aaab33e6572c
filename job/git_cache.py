"""Commits that were cloned before, so that a git server that is busy or away is not needed again.

One file each, `<repository>-<commit>.pack`: what git has sent for that commit, as it was sent.
Git hashes each object as it is read back, so a file that was cut, or changed by whoever can write
here, gives no other content for a commit, only none. <repository> stands for the URL and the source
whose credentials opened it: nobody gets by another name what only a source may read.

The files used last are kept, up to a size in sum. Nothing depends on any of them.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Only what names its content can be kept; a branch or a tag may be moved.
COMMIT = re.compile(r"[0-9a-f]{40}")
# Nothing is gained where the repository lies on a disk of this machine.
REMOTE = re.compile(r"(?!file:)[^/]+:", re.IGNORECASE)
# Room of the file system that is left to others.
SPARED = 0.1
# No copy takes as long, so whoever made it is gone.
DRAFT_SECONDS = 3600


class GitCache:
    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def entry(self, repository: Mapping[str, Any]) -> Path | None:
        """Where this commit is, or would be; None where it cannot be kept."""
        url, commit = str(repository["url"]), str(repository["commit"])
        if not COMMIT.fullmatch(commit) or not REMOTE.match(url):
            return None
        name = json.dumps([url, repository.get("source")])
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}-{commit}.pack"

    def keep(self, pack: Path, entry: Path) -> None:
        """Unless it is too large. Raises OSError where the directory cannot be written."""
        size = pack.stat().st_size
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = shutil.disk_usage(self._directory)
        if size > self._max_bytes or disk.free - size < disk.total * SPARED:
            return
        self._make_room(size)
        draft = self._directory / f".{uuid.uuid4()}"
        try:
            shutil.copyfile(pack, draft)
            draft.chmod(0o600)
            draft.rename(entry)
        finally:
            draft.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        entries: list[tuple[float, int, str]] = []
        with os.scandir(self._directory) as files:
            for file in files:
                # Another job may have removed it since.
                with contextlib.suppress(FileNotFoundError):
                    status = file.stat()
                    entries.append((status.st_mtime, status.st_size, file.name))
        left = sum(size for _, size, _ in entries)
        abandoned = time.time() - DRAFT_SECONDS
        for used_at, size, name in sorted(entries):
            is_abandoned = name.startswith(".") and used_at < abandoned
            is_old = name.endswith(".pack") and left + wanted > self._max_bytes
            if is_abandoned or is_old:
                (self._directory / name).unlink(missing_ok=True)
                left -= size
