"""The host results of one phase: what its callback plugin writes while the playbook runs."""

import json

from .context import Context
from .directory import write_atomically
from .exits import PhaseError
from .redaction import Redactor
from .report import Host, is_over, is_whole, read_results
from .settings import AnsibleConfig, records_state


class Results:
    def __init__(self, context: Context, redactor: Redactor) -> None:
        self._context = context
        self._directory = context.directory
        self._phase = context.phase
        self._path = context.directory.results(context.phase.name)
        self._redactor = redactor
        # Of the file when it was read last.
        self._modified_at = 0

    def read(self, everything: bool) -> list[Host] | None:
        """
        Answers all results, redacted. None where the phase has none, or where nothing is new since
        the last call and `everything` is not asked for.
        """
        try:
            modified_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return [] if everything and self._phase.kind == "ansible" else None
        if modified_at == self._modified_at and not everything:
            return None
        try:
            hosts = read_results(self._path, self._redactor)
        except ValueError:
            if everything:
                raise
            # A command, unlike the plugin, may still be writing it.
            return None
        self._modified_at = modified_at
        return hosts

    def read_facts(self) -> dict[str, bool]:
        """What is told with the last results."""
        return {"records_state": self.become_state(), "whole": is_whole(self._path)}

    def become_state(self) -> bool:
        """Whether the results count as the state of components."""
        if self._phase.kind != "ansible":
            return False
        try:
            config = AnsibleConfig(self._directory.workspace / "ansible.cfg")
        except PhaseError:
            return False
        return records_state(self._context, config) and is_over(self._path)

    def redact(self, hosts: list[Host]) -> None:
        """Leaves the redacted results in the directory, not what the plugin has written."""
        name = self._phase.name
        for path in (self._directory.heard(name), *self._directory.result_drafts(name)):
            path.unlink(missing_ok=True)
        if hosts:
            write_atomically(self._path, json.dumps({"hosts": hosts}))
