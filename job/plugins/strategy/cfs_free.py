"""Strategy `free` that writes results in time."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

from ansible.plugins.strategy.free import StrategyModule as Strategy

DOCUMENTATION = """
name: cfs_free
short_description: As free, with results while hosts are in a task
description:
  - Runs tasks as the strategy free does.
author: Keelson
"""


class StrategyModule(Strategy):
    def _process_pending_results(self, *arguments, **options):
        results = super()._process_pending_results(*arguments, **options)
        # Called all the time while hosts are in a task, also if no result comes.
        for plugin in self._tqm._callback_plugins:
            if hasattr(plugin, "write_in_time"):
                plugin.write_in_time()
        return results
