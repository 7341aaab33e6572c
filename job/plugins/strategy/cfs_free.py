"""Strategy `free` that also reports on which hosts a play was cut short."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

from ansible.errors import AnsibleError
from ansible.plugins.strategy.free import StrategyModule as Strategy

DOCUMENTATION = """
name: cfs_free
short_description: As free, and notes the hosts that a failure elsewhere has stopped
description:
  - Runs tasks as the strategy free does.
author: Keelson
"""


class StrategyModule(Strategy):
    def run(self, iterator, play_context):
        result = super().run(iterator, play_context)
        failed = {*self._tqm._failed_hosts, *iterator.get_failed_hosts()}
        play = iterator._play
        hosts = self._inventory.get_hosts(play.hosts, ignore_restrictions=True)
        others = {host.name for host in hosts if play.serial} - set(self._hosts_cache)
        for plugin in self._tqm._callback_plugins:
            if hasattr(plugin, "note_play_end"):
                was_aborted = result == self._tqm.RUN_UNKNOWN_ERROR
                is_well = result == self._tqm.RUN_OK
                plugin.note_play_end(failed, was_aborted, is_well, others)
        return result

    def _process_pending_results(self, *arguments, **options):
        results = super()._process_pending_results(*arguments, **options)
        # Called all the time while hosts are in a task, also if no result comes.
        for plugin in self._tqm._callback_plugins:
            if hasattr(plugin, "write_in_time"):
                plugin.write_in_time()
        return results

    def _queue_task(self, host, task, task_vars, play_context):
        before = self._pending_results
        super()._queue_task(host, task, task_vars, play_context)
        # If no process can be started, Ansible goes on as if the task were done.
        if self._pending_results == before:
            raise AnsibleError(f"Task {task.get_name()} could not be started on {host.get_name()}.")
