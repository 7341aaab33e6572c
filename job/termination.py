"""The message that a phase in a pod leaves in the status of its container.

It is what is still known of the phase when its log is gone. It has the members of the phase's state
that are not null, the most important first, and last `results`: the host results that the API did
not take, signed as in the last line of the log, with shorter texts if need be. They are left out if
they do not fit.

The kubelet takes the last 4 KiB of what is written, and gives each container of a pod an equal
share of 12 KiB. What exceeds the share, as it may if a webhook added containers, is cut off.
"""

import json
from collections.abc import Mapping
from typing import Any

CONTAINER_BYTES = 4096
POD_BYTES = 12 * 1024
# Most important first.
KEYS = (
    *("state", "killed", "exit_code"),
    *("log_bytes", "log_tail", "log_head"),
    *("ended_at", "started_at"),
)


def render_message(state: Mapping[str, Any], results: str | None) -> str:
    told = {key: state[key] for key in KEYS if state[key] is not None}
    if results is not None:
        told["results"] = results
    return json.dumps(told, separators=(",", ":"))


def count_room(state: Mapping[str, Any], containers: int) -> int:
    """How many bytes of results fit into the message of one of so many containers."""
    return min(CONTAINER_BYTES, POD_BYTES // containers) - len(render_message(state, ""))
