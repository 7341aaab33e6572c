"""The host results of a phase, which its callback plugin writes while the playbook runs."""

import contextlib
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
        # Modification time of the file when it was last read.
        self._modified_at = 0
        # Whether the last run used other files than those of the recorded commit.
        self._are_files_changed = False

    def begin_again(self, *, are_files_changed: bool) -> None:
        """Forgets what the run before has written."""
        self._directory.remove_results(self._phase.name)
        self._are_files_changed = are_files_changed

    def read(self, everything: bool, *, is_final: bool) -> list[Host] | None:
        """
        Returns all results, redacted. None if the phase has none, or if nothing has changed since
        the last call and `everything` is false. Results that are not final may also be unreadable
        for a moment.
        """
        try:
            modified_at = self._path.stat().st_mtime_ns
            if modified_at == self._modified_at and not everything:
                return None
            hosts = read_results(self._path, self._redactor)
        except FileNotFoundError:
            return [] if everything and self._phase.kind == "ansible" else None
        except (OSError, ValueError):
            if is_final:
                raise
            # Unlike the plugin, a command may still be writing the file.
            return None
        self._modified_at = modified_at
        return hosts

    def read_facts(self) -> dict[str, bool]:
        """
        Facts that are reported with the last results. If the files were not those of the recorded
        commit, no host counts as having that commit.
        """
        become_state = self.become_state()
        if self._are_files_changed:
            # An API of an earlier version records nothing then.
            return {"records_state": False, "records_incomplete": become_state, "whole": False}
        return {"records_state": become_state, "whole": is_whole(self._path)}

    def become_state(self) -> bool:
        """Whether the results count as the state of components."""
        if self._phase.kind != "ansible":
            return False
        try:
            config = AnsibleConfig(self._directory.workspace / "ansible.cfg")
        except PhaseError:
            return False
        return records_state(self._context, config) and is_over(self._path)

    def keep_signed(self, signed: str) -> None:
        """
        Keeps the report although the API has it: a database that is restored may have lost it.
        """
        with contextlib.suppress(OSError):
            write_atomically(self._directory.signed_results(self._phase.name), signed)

    def redact(self, hosts: list[Host]) -> None:
        """Replaces what the plugin has written by the redacted results."""
        name = self._phase.name
        for path in (self._directory.heard(name), *self._directory.result_drafts(name)):
            path.unlink(missing_ok=True)
        if hosts:
            write_atomically(self._path, json.dumps({"hosts": hosts}))
