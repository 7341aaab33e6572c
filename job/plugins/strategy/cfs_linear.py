"""Strategy `linear` that also tells which hosts a play was cut short on."""

# mypy: ignore-errors
# Ansible's classes carry no types, and are there only in Ansible's own interpreter.

from ansible.plugins.strategy.linear import StrategyModule as Strategy

DOCUMENTATION = """
name: cfs_linear
short_description: As linear, and notes the hosts that a failure elsewhere has stopped
description:
  - Runs tasks as the strategy linear does.
author: Keelson
"""


class StrategyModule(Strategy):
    def run(self, iterator, play_context):
        result = super().run(iterator, play_context)
        for plugin in self._tqm._callback_plugins:
            if hasattr(plugin, "note_failed_hosts"):
                plugin.note_failed_hosts(self._tqm._failed_hosts)
        return result
