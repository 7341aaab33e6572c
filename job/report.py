"""Host results of a phase, and the signed line that carries them if the API did not get them.

A phase has host results if it is of kind `ansible` or its command wrote `$KEELSON_RESULTS`. If the
API did not acknowledge them as `final`, the wrapper ends the log with exactly one line:

    keelson-report:<base64>:<hmac>\\n

`<base64>` is standard base64, with padding, of the gzip-compressed UTF-8 JSON `{"phase": <name>,
"records_state": <bool>, "records_incomplete"?: <bool>, "whole": <bool>, "rerun"?: {"count",
"files_changed", "first_sequence"}, "hosts": [{"host", "ok", "changed", "failed", "skipped",
"unreachable", "incomplete", "task"?, "message"?}]}`. `<hmac>` is the HMAC-SHA256 of the ASCII text
of `<base64>`, in lower-case hex; its key is the ASCII text of the job's token. The line counts only
if it is the very last one of the log, the HMAC is right, and `phase` is the phase of the log.
Otherwise it is ordinary output. The worker accepts no line of more than 8 MiB, or of more than
64 MiB unpacked, so texts are shortened if very many hosts have failed.

In a pod, `<base64>:<hmac>` is also part of the termination message, if there is room for it
(job/termination.py).
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
# The length at which the plugin cuts a message, maybe within a secret.
PLUGIN_CHARACTERS = 1024
# Limits of each text, tried in turn until the report fits.
TEXT_BYTES = (MAX_MESSAGE_BYTES, 100, 0)
MAX_BODY_BYTES = 64 * 1024 * 1024
# Leaves room for the rest of the line.
MAX_SIGNED_BYTES = 8 * 1024 * 1024 - 1024

Host = dict[str, Any]


def read_results(path: Path, redactor: Redactor) -> list[Host]:
    """The results that the callback plugin wrote, with texts redacted and cut."""
    try:
        hosts = json.loads(path.read_text("utf-8"))["hosts"]
    except FileNotFoundError:
        return []
    return [to_reported(host, redactor) for host in hosts]


def is_over(path: Path) -> bool:
    """Whether the playbook came to its end. Only then do its results say what a host has."""
    return read_fact(path, "is_over")


def is_whole(path: Path) -> bool:
    """Whether every host that did not fail came to that end too."""
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
    """Without what no database accepts in a text: NUL and surrogates."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def cut(text: str, most_bytes: int = MAX_MESSAGE_BYTES) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore")


def sign_report(
    phase: str,
    hosts: list[Host],
    facts: Mapping[str, Any],
    token: str,
    most_bytes: int = MAX_SIGNED_BYTES,
) -> str | None:
    """
    Returns `<base64>:<hmac>`, with texts as long as fit, or None if nothing fits.
    """
    # Saves the packing: no host takes less than a byte.
    if len(hosts) > most_bytes:
        return None
    for text_bytes in TEXT_BYTES:
        report = {"phase": phase, **facts, "hosts": [shorten(host, text_bytes) for host in hosts]}
        body = json.dumps(report, separators=(",", ":")).encode()
        packed = base64.b64encode(gzip.compress(body, mtime=0))
        signature = hmac.new(token.encode(), packed, hashlib.sha256).hexdigest()
        signed = f"{packed.decode()}:{signature}"
        if len(body) <= MAX_BODY_BYTES and len(signed) <= most_bytes:
            return signed
    return None


def to_line(signed: str) -> str:
    return f"{PREFIX}:{signed}"


def shorten(host: Host, text_bytes: int) -> Host:
    texts = {key: cut(host[key], text_bytes) for key in ("task", "message") if key in host}
    return host | texts
