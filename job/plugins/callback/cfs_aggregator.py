"""Exists so that a site's `ansible.cfg` can list `cfs_aggregator`."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: cfs_aggregator
type: aggregate
short_description: Switches the recording of component state on
description:
  - Does nothing itself. That it is listed in C(callbacks_enabled) or C(callback_whitelist) says
    that results are to be recorded as the state of components.
author: Keelson
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "cfs_aggregator"
    CALLBACK_NEEDS_ENABLED = True
