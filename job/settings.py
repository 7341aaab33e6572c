"""Ansible's environment variables, chosen so that a site's `ansible.cfg` works unmodified.

A variable overrides `ansible.cfg`. So each is set only if the file does not have the setting, or
with the file's own value appended.
"""

import configparser
import contextlib
import hashlib
import os
import shutil
import ssl
import tempfile
from pathlib import Path

from . import exits
from .context import Context, to_environment
from .directory import JobDirectory
from .exits import PhaseError

PLUGINS = Path(__file__).resolve().parent / "plugins"
# Files of a repository that are no inventories, recognized by name. Ansible would only warn about
# them, but here a source that cannot be read ends the session.
NO_INVENTORY = r"^(LICEN[CS]E|COPYING|NOTICE|README|CODEOWNERS|Makefile|Jenkinsfile)$"
SYSTEM_PLUGINS = "/usr/share/ansible/plugins"
# Set by Kubernetes. Without them its clients do not use the service account of their pod.
KUBERNETES = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


class AnsibleConfig:
    """A site's `ansible.cfg`, read as Ansible reads it."""

    def __init__(self, path: Path) -> None:
        self._parser = configparser.ConfigParser(inline_comment_prefixes=(";",), strict=False)
        try:
            self._parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise PhaseError(exits.PLAYBOOK, f"ansible.cfg cannot be read: {reason}.") from error

    def read(self, key: str, section: str = "defaults") -> str | None:
        return self._parser.get(section, key, raw=True, fallback=None)

    def list_callbacks(self) -> list[str]:
        """
        The enabled callbacks, also those of the list's old name, which the `ansible.cfg` of CFS
        has, and which Ansible 2.16 and later silently ignore.
        """
        listed = (self.read(key) or "" for key in ("callbacks_enabled", "callback_whitelist"))
        names = (part.strip() for text in listed for part in text.split(","))
        return [name for name in names if name]


def records_state(context: Context, config: AnsibleConfig) -> bool:
    """Whether the results of this phase count as the state of components."""
    return bool(context.phase.fields.get("records_state")) and (
        "cfs_aggregator" in config.list_callbacks()
    )


def to_ansible_environment(context: Context) -> dict[str, str]:
    directory = context.directory
    config = AnsibleConfig(directory.workspace / "ansible.cfg")
    base = to_environment(context)
    home = Path(base["HOME"]) / ".ansible"
    sockets = make_socket_folder(directory, base["TMPDIR"])
    environment = base | {
        "TMPDIR": str(sockets / "tmp"),
        "ANSIBLE_CONFIG": str(directory.workspace / "ansible.cfg"),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCAL_TEMP": str(Path(base["TMPDIR"]) / "ansible"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_CALLBACK_PLUGINS": to_plugin_path(config, "callback", home),
        "ANSIBLE_STRATEGY_PLUGINS": to_plugin_path(config, "strategy", home),
    }
    # Ansible 2.19 does not start if the list is empty.
    if config.read("callback_whitelist") is not None and config.list_callbacks():
        environment["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(config.list_callbacks())
    if config.read("control_path_dir", "persistent_connection") is None:
        environment["ANSIBLE_PERSISTENT_CONTROL_PATH_DIR"] = str(sockets)
    limit = context.phase.host_silent_limit_seconds
    if limit > 0 and config.read("task_timeout") is None:
        environment["ANSIBLE_TASK_TIMEOUT"] = str(limit)
    if config.read("remote_user") is None:
        environment["ANSIBLE_REMOTE_USER"] = "root"
    ignored = config.read("inventory_ignore_patterns") or config.read(
        "ignore_patterns", "inventory"
    )
    if ignored is None:
        environment["ANSIBLE_INVENTORY_IGNORE_REGEX"] = NO_INVENTORY
    key = directory.workspace / "ssh" / "id_ecdsa"
    if config.read("private_key_file") is None and key.exists():
        environment["ANSIBLE_PRIVATE_KEY_FILE"] = str(key)
    environment |= {name: os.environ[name] for name in KUBERNETES if name in os.environ}
    if directory.vault_token.exists():
        environment["VAULT_TOKEN"] = directory.vault_token.read_text("utf-8").strip()
    return environment | to_trust_environment(directory)


def to_trust_environment(directory: JobDirectory) -> dict[str, str]:
    """
    Makes tasks on localhost trust the site's certificate authority beside those of the system. A
    pod names it, as one of CFS does.
    """
    authority = os.environ.get("SSL_CAINFO")
    if authority is None:
        return {}
    system = ssl.get_default_verify_paths().cafile
    bundle = directory.workspace / "authorities.crt"
    parts = [Path(file).read_bytes() for file in (system, authority) if file is not None]
    bundle.write_bytes(b"\n".join(parts))
    return {"SSL_CERT_FILE": str(bundle)}


def to_plugin_path(config: AnsibleConfig, kind: str, home: Path) -> str:
    site = config.read(f"{kind}_plugins") or f"{home}/plugins/{kind}:{SYSTEM_PLUGINS}/{kind}"
    return f"{PLUGINS / kind}:{site}"


def to_socket_folder(directory: JobDirectory) -> Path:
    """
    The folder of the sockets of SSH and of persistent connections. The path of a socket has at most
    107 bytes, too few for one in the workspace. The name is derived from the job's directory, so
    that whoever cleans up later can find it.
    """
    name = hashlib.sha256(str(directory.root).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"keelson-ssh-{name}"


def make_socket_folder(directory: JobDirectory, temporary: str) -> Path:
    """`tmp` in it is a short name of the folder for temporary files, which may be sockets too."""
    folder = to_socket_folder(directory)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PhaseError(exits.INTERNAL, f"{folder} belongs to somebody else.")
    with contextlib.suppress(FileExistsError):
        (folder / "tmp").symlink_to(temporary)
    return folder


def remove_socket_folder(directory: JobDirectory) -> None:
    shutil.rmtree(to_socket_folder(directory), ignore_errors=True)
