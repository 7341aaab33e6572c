"""Makes tasks on this machine use the job's home."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

import functools

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader

DOCUMENTATION = """
name: keelson_home
type: aggregate
short_description: Has tasks on this machine use the job's home
description:
  - Over the connection C(local) Ansible takes C(~) in its own paths for the home that the system's
    list of users has. Its modules take it for C(HOME), which is the job's. So C(async) looked for
    its jobs where they are not, and what a killed task left lay outside of the job's directory.
  - Loads without being listed, before any connection is made, and hears of nothing.
author: Keelson
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "keelson_home"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self):
        super().__init__()
        self.disabled = True
        use_home(connection_loader.get("local", class_only=True))


def use_home(connection):
    begin = connection.__init__

    @functools.wraps(begin)
    def begin_at_home(self, *arguments, **options):
        begin(self, *arguments, **options)
        expand = self._shell.expand_user
        own = f"~{self.default_user}"

        def expand_user(path, username=""):
            return expand("~" if path == own else path, username)

        self._shell.expand_user = expand_user

    connection.__init__ = begin_at_home
