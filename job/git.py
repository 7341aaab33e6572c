"""How git is called, and what its failures mean.

Git reads no configuration but ours, asks no questions, and gets passwords from a file that it
cannot change.
"""

import os
import re
import shlex
from typing import NamedTuple

from .context import Context, to_environment
from .directory import JobDirectory
from .plan import GitProxy

STALLED_SECONDS = 60

REFUSED = re.compile(
    r"authentication failed|could not read (username|password)|terminal prompts disabled"
    r"|permission denied|access denied|returned error: 40[13]"
    r"|certificate (problem|verif)|host key verification failed"
    r"|update url base from redirection|protocol .* (not supported|disabled)|mismatched algorithms",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"repository( .*)? not found|returned error: (404|410)|does not appear to be a git repository"
    r"|not a git repository|transport '.*' not allowed|unable to find remote helper"
    r"|strange (host|path)name '.*' blocked|bad/illegal format",
    re.IGNORECASE,
)
# Left out, because our own line already says it.
PREFIX = re.compile(r"^(fatal|error): (unable to access '[^']*': )?")
# Where the server sends git instead, usually to a page for logging in. Without the query, which may
# contain secrets.
REDIRECT = re.compile(r"^ *redirect: ([^\s?#]+)", re.MULTILINE)
# The server answers, but has no such object or does not serve it by this name.
UNKNOWN_REF = re.compile(
    r"not our ref|unadvertised object|couldn't find remote ref|(support|is|a) shallow"
    r"|shallow (line|info|file)|invalid refspec"
    r"|unexpected object|bad object",
    re.IGNORECASE,
)


class Failure(NamedTuple):
    text: str

    @property
    def is_final(self) -> bool:
        return bool(REFUSED.search(self.text) or ABSENT.search(self.text))

    @property
    def is_unknown_ref(self) -> bool:
        return not self.is_final and bool(UNKNOWN_REF.search(self.text))

    @property
    def reason(self) -> str:
        """The most telling line: the first fatal one."""
        if redirect := REDIRECT.search(self.text):
            return f"it redirects to {redirect[1]}, where no repository is"
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
        line = (fatal or lines or ["git failed"])[0].rstrip(".")
        return PREFIX.sub("", line)


def to_git_arguments(context: Context) -> list[str]:
    settings = [
        "credential.helper=",
        "core.hooksPath=/dev/null",
        "core.askPass=",
        "gc.auto=0",
        "advice.detachedHead=false",
        "http.lowSpeedLimit=1",
        f"http.lowSpeedTime={STALLED_SECONDS}",
    ]
    own = context.directory.secrets / f"git-credentials-{context.phase.name}"
    credentials = own if own.exists() else context.directory.secrets / "git-credentials"
    if credentials.exists():
        # Git tells a helper to erase what a server has refused. This one only reads.
        reading = f"git credential-store --file={shlex.quote(str(credentials))} get"
        body = f'if [ "$1" = get ]; then {reading}; else cat >/dev/null; fi'
        settings.append(f"credential.helper=!f() {{ {body}; }}; f")
    return [argument for setting in settings for argument in ("-c", setting)]


def to_git_environment(context: Context) -> dict[str, str]:
    secrets = context.directory.secrets
    own = secrets / f"git-ca-{context.phase.name}.crt"
    authority = own if own.exists() else secrets / "git-ca.crt"
    return {
        **to_environment(context),
        # Untranslated, because we parse the messages.
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": context.job.git_protocols,
        "GIT_SSH_COMMAND": shlex.join(to_ssh_command(context.directory)),
        "GIT_SSH_VARIANT": "ssh",
        **({"GIT_SSL_CAINFO": str(authority)} if authority.exists() else {}),
        **to_proxy_environment(context.job.git_proxy),
    }


def to_proxy_environment(proxy: GitProxy | None) -> dict[str, str]:
    if proxy is None:
        return {}
    return {"http_proxy": proxy.url, "https_proxy": proxy.url, "no_proxy": proxy.no_proxy}


def to_ssh_command(directory: JobDirectory) -> list[str]:
    # Paths are quoted: SSH would split one with a space into several files.
    key, hosts = directory.secrets / "git-ssh-key", directory.secrets / "git-known-hosts"
    options = ["BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "IdentityAgent=none"]
    if key.exists():
        options.append("IdentitiesOnly=yes")
    if hosts.exists():
        options += [f'UserKnownHostsFile="{hosts}"', "StrictHostKeyChecking=yes"]
    else:
        # Without known hosts, the first key is trusted and kept for this job.
        found = directory.workspace / "git-known-hosts"
        options += [f'UserKnownHostsFile="{found}"', "StrictHostKeyChecking=accept-new"]
    identity = ["-i", str(key)] if key.exists() else []
    return ["ssh", "-F", "none", *identity, *(part for o in options for part in ("-o", o))]
