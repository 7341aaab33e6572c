"""Removes the values of known secrets from a stream of bytes, even if a value spans two chunks."""

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from .directory import JobDirectory

MASK = b"***"
# Shorter values would mask ordinary words.
MIN_BYTES = 4
MIN_KEY_LINE_BYTES = 16
# A user name that long may be a token: some git servers take one as the name, with any password.
MIN_TOKEN_BYTES = 20
# As lenient as git, which accepts characters that are invalid in other URLs.
LOGIN = re.compile(rb"[^:/]+://([^:@/?#]*):([^@/?#]*)@")


class Redactor:
    """`feed` returns what may be shown now. It keeps back only bytes that may begin a secret."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets: list[bytes] = []
        self._longest = 0
        self.add(secrets)
        self._kept = b""
        # How many of the kept bytes belong to a secret whose mask was already shown.
        self._masked = 0

    def add(self, secrets: Iterable[bytes]) -> None:
        known = {*self._secrets, *(s for s in secrets if len(s) >= MIN_BYTES)}
        self._secrets = sorted(known, key=len, reverse=True)
        self._longest = len(self._secrets[0]) if self._secrets else 0

    def feed(self, data: bytes) -> bytes:
        if not self._secrets:
            return data
        data = self._kept + data
        return self._show(data, self._find_beginning(data))

    def flush(self) -> bytes:
        return self._show(self._kept, len(self._kept))

    def redact(self, text: str, *, is_cut: bool = False) -> str:
        """
        Redacts a text that is not part of the stream. `is_cut`: the text may end within a secret.
        For output that is not UTF-8, Ansible produces surrogates.
        """
        data = text.encode("utf-8", "surrogatepass")
        # Looking for a beginning takes longer than looking for secrets.
        shown, _ = self._mask(data, self._find_beginning(data) if is_cut else len(data))
        return shown.decode("utf-8", "replace")

    def _show(self, data: bytes, end: int) -> bytes:
        shown, self._masked = self._mask(data, end, self._masked)
        self._kept = data[end:]
        return shown

    def _mask(self, data: bytes, end: int, masked_before: int = 0) -> tuple[bytes, int]:
        """What is shown of `data[:end]`, and how many bytes behind it the last mask covers."""
        shown = bytearray()
        at = 0
        # As long as nothing can be shown, what the last mask covers stays covered.
        masked = max(masked_before - end, 0)
        for begin, stop in self._find_spans(data, masked_before):
            if begin >= end:
                break
            shown += data[at:begin]
            if not (begin == 0 and masked_before > 0):
                shown += MASK
            at = min(stop, end)
            masked = max(stop - end, 0)
        shown += data[at:end]
        return bytes(shown), masked

    def _find_spans(self, data: bytes, masked_before: int) -> list[tuple[int, int]]:
        """The spans of secrets, with overlapping ones joined."""
        found = [(0, masked_before)] if masked_before else []
        for secret in self._secrets:
            at = data.find(secret)
            while at >= 0:
                found.append((at, at + len(secret)))
                at = data.find(secret, at + 1)
        joined: list[tuple[int, int]] = []
        for begin, end in sorted(found):
            if joined and begin < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        return joined

    def _find_beginning(self, data: bytes) -> int:
        """Where the longest suffix of `data` starts that could become a secret."""
        tail = data[-(self._longest - 1) :]
        first = len(tail)
        for secret in self._secrets:
            at = tail.find(secret[:1], max(len(tail) - len(secret) + 1, 0))
            while 0 <= at < first:
                if secret.startswith(tail[at:]):
                    first = at
                    break
                at = tail.find(secret[:1], at + 1)
        return len(data) - len(tail) + first


def read_secrets(directory: JobDirectory) -> set[bytes]:
    """Values that must not be shown: tokens, git passwords, private keys."""
    secrets = set[bytes]()
    for token in (directory.read_token().encode(), *read_lines(directory.vault_token)):
        secrets |= to_forms(token)
    # One file for the job, and one for each phase that clones from a source.
    for path in directory.secrets.glob("git-credentials*"):
        for line in read_lines(path):
            secrets |= to_login_forms(line)
    for path in directory.private_keys():
        secrets |= to_key_forms(read_lines(path))
    return secrets


def to_login_forms(line: bytes) -> set[bytes]:
    """The secrets in a line of git's credential store, also as written there and as sent."""
    match = LOGIN.match(line)
    if match is None:
        return set()
    user, password = (unquote_to_bytes(part) for part in match.groups())
    forms = {match[2], base64.b64encode(user + b":" + password)} | to_forms(password)
    return forms | to_forms(user) if len(user) >= MIN_TOKEN_BYTES else forms


def to_forms(secret: bytes) -> set[bytes]:
    """The secret, and how Ansible and other programs write it in JSON, URLs and base64."""
    text = secret.decode("utf-8", "surrogateescape")
    texts = (json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    in_json = {each.encode("utf-8", "surrogateescape") for each in texts}
    return {secret, *in_json, quote(secret, safe="").encode(), to_base64(secret)}


def to_key_forms(lines: list[bytes]) -> set[bytes]:
    """The lines of a private key, and all of them in base64."""
    secrets = {
        line for line in lines if len(line) >= MIN_KEY_LINE_BYTES and not line.startswith(b"-----")
    }
    return {*secrets, to_base64(b"\n".join(lines))} if secrets else set()


def to_base64(secret: bytes) -> bytes:
    """Without the end that would be another one if more bytes followed, such as a line break."""
    rest = len(secret) % 3
    packed = base64.b64encode(secret)
    return packed[: -(4 - rest)] if rest else packed


def read_lines(path: Path) -> list[bytes]:
    try:
        return [line.strip() for line in path.read_bytes().splitlines()]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
