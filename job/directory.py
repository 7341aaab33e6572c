"""The directory of a job: where each file is, and how state is written.

`phases/<phase>.json` is replaced atomically: `{state: running|ended, started_at, ended_at,
exit_code, killed, unstarted, log_bytes, log_head, log_tail}`. `killed` is null, `stopped`,
`timeout`, `memory`, or `lost` if the wrapper vanished without a result; `exit_code` is null unless
the command ended by itself; `unstarted` is null or `skipped`. Times are ISO 8601 in UTC with
milliseconds. `log_head` and `log_tail` are digests of the first and the last KiB of the log (or of
all of a shorter one): the first 16 hex digits of their SHA-256. They show a reader that has part of
the log which part that is.

In a pod, `job.json`, `secrets`, `files` and `keys` are mounts, and the final state of a phase is
also written to the file that Kubernetes copies into the container's status (job/termination.py).
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .termination import render_message

PRIVATE_KEYS = ("id_ecdsa", "id_image")
LOG_MARK_BYTES = 1024


class PhaseState(NamedTuple):
    state: str
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    killed: str | None = None
    unstarted: str | None = None
    log_bytes: int = 0
    log_head: str | None = None
    log_tail: str | None = None

    def with_log(self, path: Path) -> "PhaseState":
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return self
        with file:
            size = file.seek(0, os.SEEK_END)
            return self._replace(
                log_bytes=size,
                log_head=digest_at(file, 0),
                log_tail=digest_at(file, max(size - LOG_MARK_BYTES, 0)),
            )

    @property
    def succeeded(self) -> bool:
        return self.state == "ended" and self.killed is None and self.exit_code == 0


class JobDirectory:
    def __init__(
        self, root: Path, workspace: Path | None = None, result: Path | None = None
    ) -> None:
        self.root = root.resolve()
        self.workspace = (workspace or self.root / "workspace").resolve()
        self.secrets = self.root / "secrets"
        self.plan = self.root / "job.json"
        self._result = result

    def log(self, phase: str) -> Path:
        return self.root / "logs" / f"{phase}.log"

    def results(self, phase: str) -> Path:
        return self.root / "results" / f"{phase}.json"

    def signed_results(self, phase: str) -> Path:
        """The report of job/report.py, `<base64>:<hmac>`."""
        return self.root / "results" / f"{phase}.signed"

    def heard(self, phase: str) -> Path:
        return self.root / "results" / f"{phase}.heard"

    def result_drafts(self, phase: str) -> list[Path]:
        """Half-written files of a callback that was killed."""
        return list(self.results(phase).parent.glob(f"{phase}.json.*"))

    def remove_results(self, phase: str) -> None:
        for path in (self.results(phase), self.heard(phase), *self.result_drafts(phase)):
            remove(path)

    def is_stopped(self) -> bool:
        return (self.root / "stopped").exists()

    def private_keys(self) -> list[Path]:
        folders = (self.workspace / "ssh", self.root / "keys")
        keys = [folder / name for folder in folders for name in PRIVATE_KEYS]
        return [self.secrets / "git-ssh-key", *keys]

    def open_staged(self, name: str) -> BinaryIO | None:
        """
        Opens a staged file, or returns None if there is none. A file too large for one Secret is
        stored in parts: `name.0000`, `name.0001` and so on.
        """
        path = self.root / "files" / name
        if path.exists():
            return path.open("rb")
        parts = sorted(path.parent.glob(f"{name}.[0-9][0-9][0-9][0-9]"))
        return io.BytesIO(b"".join(part.read_bytes() for part in parts)) if parts else None

    def place_mounted(self) -> None:
        """Copies what a pod mounts to where playbooks expect it."""
        configuration = self.open_staged("ansible.cfg")
        if configuration is not None:
            with configuration:
                write_private(self.workspace / "ansible.cfg", configuration.read())
        self.place_keys()
        folder = self.workspace / "ssh"
        in_home = self.workspace / "home" / ".ssh"
        # For programs that playbooks run on this machine.
        if folder.is_dir() and not in_home.exists():
            in_home.parent.mkdir(mode=0o700, exist_ok=True)
            in_home.symlink_to(Path("..", "ssh"))

    def place_keys(self) -> None:
        """
        Copies mounted keys, with the modes that SSH requires. The kubelet updates what is mounted:
        the certificate of CFS is renewed every six hours, and valid for twelve.
        """
        keys = [path for path in (self.root / "keys").glob("id_*") if path.is_file()]
        folder = self.workspace / "ssh"
        if keys:
            folder.mkdir(exist_ok=True)
            # The kubelet may have made it, for a mount, and then everybody may write to it.
            folder.chmod(0o700)
        for path in keys:
            copy = folder / path.name
            if not copy.exists() or copy.stat().st_mtime_ns < path.stat().st_mtime_ns:
                write_private(copy, path.read_bytes())

    def make_folders(self) -> None:
        """
        Fails if the directory itself is gone: a playbook has removed it, and nobody would remove
        what came into its place.
        """
        for name in ("logs", "results", "phases"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)
        self.workspace.mkdir(mode=0o700, parents=True, exist_ok=True)

    def claim(self, phase: str) -> bool:
        """Whether this is the first claim of the phase: true exactly once in the job's life."""
        mark = self.root / ".started" / phase
        mark.parent.mkdir(mode=0o700, exist_ok=True)
        return create_exclusively(mark, "")

    def write_state(self, phase: str, state: PhaseState, results: str | None = None) -> None:
        """`results`: signed host results that the API did not take, for Kubernetes alone."""
        text = json.dumps(state._asdict())
        write_atomically(self.root / "phases" / f"{phase}.json", text)
        if self._result is not None and state.state == "ended":
            # In place, because the kubelet made this file and reads no other.
            self._result.write_text(render_message(state._asdict(), results), "utf-8")

    def read_state(self, phase: str) -> PhaseState | None:
        try:
            text = (self.root / "phases" / f"{phase}.json").read_text("utf-8")
        except FileNotFoundError:
            return None
        return PhaseState(**json.loads(text))

    def read_token(self) -> str:
        try:
            return (self.secrets / "token").read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    @property
    def vault_token(self) -> Path:
        """
        The token with which playbooks of a tenant read the tenant's secrets; most jobs have none.
        """
        return self.secrets / "vault-token"

    def remove_secrets(self) -> None:
        shutil.rmtree(self.secrets, ignore_errors=True)
        for key in self.private_keys():
            remove(key)


def digest_at(file: BinaryIO, offset: int) -> str:
    file.seek(offset)
    return hashlib.sha256(file.read(LOG_MARK_BYTES)).hexdigest()[:16]


def remove(path: Path) -> None:
    """Removes what a command may have replaced by anything else, or removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(NotADirectoryError):
        path.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Never readable by others, not even for a moment. Leaves no half of it on a full disk."""
    path.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def create_exclusively(path: Path, text: str) -> bool:
    """Returns whether this call created the file, which is complete or absent at any time."""
    draft = write_draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_draft(path, text).rename(path)


def write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def to_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
