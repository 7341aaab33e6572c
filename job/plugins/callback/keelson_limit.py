"""Has the limit of tasks apply to what Ansible leaves out of it."""

# mypy: ignore-errors
# Ansible's classes have no types, and exist only in Ansible's own interpreter.

import functools
import os
import signal
from contextlib import contextmanager

from ansible.executor.task_executor import TaskExecutor
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display

DOCUMENTATION = """
name: keelson_limit
type: aggregate
short_description: Has the limit of tasks apply to polls and to the removal of temporary files
description:
  - Ansible polls C(async) tasks, and removes its temporary files after a task, without a limit. A
    host whose disk hangs would block all others there, also after its task was ended.
  - Does nothing unless the option C(host_silent_limit) is set.
  - Loads without being listed, before any process of a host is made, and hears of nothing.
author: Keelson
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "keelson_limit"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self):
        super().__init__()
        self.disabled = True
        # Set only for the option; a site's own limit is in its `ansible.cfg`.
        limit = int(os.environ.get("ANSIBLE_TASK_TIMEOUT", "0"))
        if limit > 0:
            limit_removal(limit)
            limit_polls(limit)


class SilentError(BaseException):
    """Not an `Exception`, after which Ansible would poll again."""


def limit_removal(limit):
    remove = ActionBase._remove_tmp_path

    @functools.wraps(remove)
    def remove_in_time(self, *arguments, **options):
        seconds = to_seconds(self._task, limit)
        if seconds == 0 or is_limited():
            return remove(self, *arguments, **options)
        try:
            with alarm(seconds):
                return remove(self, *arguments, **options)
        except SilentError:
            Display().warning(f"Temporary files were not removed within {seconds} s.")
            # Ansible would try again.
            self._connection._shell.tmpdir = None

    ActionBase._remove_tmp_path = remove_in_time


def limit_polls(limit):
    poll = TaskExecutor._poll_async_result

    @functools.wraps(poll)
    def poll_in_time(self, result, *arguments, **options):
        seconds = to_seconds(self._task, limit)
        if seconds == 0:
            return poll(self, result, *arguments, **options)
        wait = seconds + self._task.poll
        try:
            with alarm(wait), answers_to(self._final_q, lambda: signal.alarm(wait)):
                return poll(self, result, *arguments, **options)
        except SilentError:
            # As Ansible says it of other tasks.
            what = f"The {self._task.action} action failed to execute in the expected time frame"
            told = f"{what} ({seconds}) and was terminated"
            return {"failed": True, "msg": told, "async_result": result}

    TaskExecutor._poll_async_result = poll_in_time


def to_seconds(task, limit):
    """0: no limit. A task's own may be short, because with `async` it is that of the start."""
    return max(task.timeout, limit) if task.timeout else 0


def is_limited():
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


@contextmanager
def alarm(seconds):
    """Raises `SilentError` after so many seconds."""

    def ring(_number, _frame):
        raise SilentError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.alarm(seconds)
            yield
        finally:
            signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def answers_to(queue, note):
    """Calls `note` when the process of a host reports something, as it does after each poll."""
    send = queue.send_callback

    def send_noted(*arguments, **options):
        note()
        send(*arguments, **options)

    queue.send_callback = send_noted
    try:
        yield
    finally:
        queue.send_callback = send
