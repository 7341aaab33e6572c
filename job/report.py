"""Host results of a phase, and the signed line that carries them where the API could not be told.

A phase that has host results (it is of kind `ansible`, or its command wrote `$KEELSON_RESULTS`) and
whose results the API did not acknowledge as `final` ends its log with exactly one line of the
wrapper:

    keelson-report:<base64>:<hmac>\\n

`<base64>` is standard base64, with padding, of the gzip-compressed UTF-8 JSON `{"phase": <name>,
"records_state": <bool>, "whole": <bool>, "hosts": [{"host", "ok", "changed", "failed", "skipped",
"unreachable", "incomplete", "task"?, "message"?}]}`; `<hmac>` is the HMAC-SHA256, in lower-case
hex, with the job's token (its ASCII text) as the key, over the ASCII text of `<base64>`. It counts
only as the very last line of the log, only if the HMAC fits, and only if `phase` is the phase whose
log it ends; any other line of that form is output like the rest. The worker takes no line
of more than 8 MiB, or of more than 64 MiB inside: where very many hosts have failed, their texts
are shortened.
"""

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .redaction import Redactor

PREFIX = "keelson-report"
MAX_MESSAGE_BYTES = 1024
# At so many the plugin cuts a message, maybe within a secret.
PLUGIN_CHARACTERS = 1024
# Of each text, tried one after the other until the line fits.
LINE_TEXT_BYTES = (MAX_MESSAGE_BYTES, 100, 0)
MAX_BODY_BYTES = 64 * 1024 * 1024
# With room for what stands around it.
MAX_PACKED_BYTES = 8 * 1024 * 1024 - 1024

Host = dict[str, Any]


def read_results(path: Path, redactor: Redactor) -> list[Host]:
    """What the callback plugin has written, with texts redacted and cut."""
    try:
        hosts = json.loads(path.read_text("utf-8"))["hosts"]
    except FileNotFoundError:
        return []
    return [to_reported(host, redactor) for host in hosts]


def is_over(path: Path) -> bool:
    """Whether the playbook came to its end: only then its results say what a host has."""
    return read_fact(path, "is_over")


def is_whole(path: Path) -> bool:
    """Whether each host that did not fail came to that end too."""
    return read_fact(path, "is_whole")


def read_fact(path: Path, name: str) -> bool:
    try:
        return bool(json.loads(path.read_text("utf-8")).get(name))
    except FileNotFoundError:
        return False


def to_reported(host: Host, redactor: Redactor) -> Host:
    texts = {
        key: cut(to_plain(redactor.redact(host[key], is_cut=len(host[key]) >= PLUGIN_CHARACTERS)))
        for key in ("task", "message")
        if host.get(key) is not None
    }
    rest = {key: value for key, value in host.items() if key not in ("task", "message")}
    return rest | {"host": to_plain(host["host"])} | texts


def to_plain(text: str) -> str:
    """Without what no database takes as text: NUL and halves of characters."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def cut(text: str, most_bytes: int = MAX_MESSAGE_BYTES) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore")


def render_report(phase: str, hosts: list[Host], facts: Mapping[str, bool], token: str) -> str:
    for text_bytes in LINE_TEXT_BYTES:
        report = {"phase": phase, **facts, "hosts": [shorten(host, text_bytes) for host in hosts]}
        body = json.dumps(report, separators=(",", ":")).encode()
        packed = base64.b64encode(gzip.compress(body, mtime=0))
        if len(body) <= MAX_BODY_BYTES and len(packed) <= MAX_PACKED_BYTES:
            break
    signature = hmac.new(token.encode(), packed, hashlib.sha256).hexdigest()
    return f"{PREFIX}:{packed.decode()}:{signature}"


def shorten(host: Host, text_bytes: int) -> Host:
    texts = {key: cut(host[key], text_bytes) for key in ("task", "message") if key in host}
    return host | texts
