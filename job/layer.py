"""The cloned files that a playbook runs from, and whether somebody changes them in a hold.

They are compared with what they were when the first run had ended, so what a run itself leaves
beside its files is no change. The generated inventory is no part of a commit and is not compared.
"""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .context import Context
from .git import to_git_arguments, to_git_environment
from .inventory import DEFAULTS, GENERATED, HOSTS

# Python writes these whenever it likes.
COMPILED = "__pycache__"
GIT = ".git"
READ_BYTES = 1024 * 1024
GIT_SECONDS = 30
# The most changed files that are named.
MAX_NAMES = 5


class LayerFiles:
    def __init__(self, context: Context) -> None:
        self._context = context
        workspace = context.directory.workspace
        names = [str(name) for name in (context.phase.fields.get("directory"), HOSTS) if name]
        is_playbook = context.phase.kind == "ansible"
        self._folders = [workspace / name for name in names] if is_playbook else []
        self._first: list[str] | None = None

    def remember(self) -> None:
        """To be called after the first run. Later calls do nothing."""
        if self._first is None:
            self._first = [digest_files(folder) for folder in self._folders]

    def list_changes(self) -> list[str]:
        """A description of each folder whose files have changed."""
        if self._first is None:
            return []
        return [
            self._describe(folder)
            for folder, first in zip(self._folders, self._first, strict=True)
            if digest_files(folder) != first
        ]

    def _describe(self, folder: Path) -> str:
        head = self._git(folder, "rev-parse", "HEAD")
        names = [line[3:] for line in self._git(folder, "status", "--porcelain").splitlines()]
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        changed = f" with changes in {', '.join(names[:MAX_NAMES])}{more}" if names else ""
        return f"{folder.name}, at commit {head.strip() or 'unknown'}{changed}"

    def _git(self, folder: Path, *arguments: str) -> str:
        """Returns nothing if git fails: it only describes, and anything may have been changed."""
        try:
            done = subprocess.run(
                ["git", *to_git_arguments(self._context), *arguments],
                cwd=folder,
                env=to_git_environment(self._context),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=GIT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout if done.returncode == 0 else ""


def digest_files(folder: Path) -> str:
    """Covers names, contents, links and whether a file may be executed."""
    digest = hashlib.sha256()
    for path in list_files(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode("utf-8", "surrogateescape"))
        digest.update(digest_file(path))
    return digest.hexdigest()


def list_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(set(folders) - {GIT, COMPILED})
        for name in sorted([*names, *links]):
            if name not in (GIT, GENERATED, DEFAULTS):
                yield Path(parent, name)


def digest_file(path: Path) -> bytes:
    """Of a file that cannot be read, only that it cannot."""
    digest = hashlib.sha256()
    try:
        mode = path.lstat().st_mode
        digest.update(f"{stat.S_IFMT(mode)} {mode & stat.S_IXUSR}\0".encode())
        if stat.S_ISLNK(mode):
            digest.update(os.fsencode(path.readlink()))
        elif stat.S_ISREG(mode):
            with path.open("rb") as file:
                while data := file.read(READ_BYTES):
                    digest.update(data)
    except OSError as error:
        digest.update(f"{error.errno}".encode())
    return digest.digest()
