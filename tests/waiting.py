"""Processes of a test, and waiting for what they do; nothing waits longer than a test can want."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

LIMIT = 100  # seconds after which a wait has failed; on an idle machine none takes ten


@contextmanager
def started(command, **options):
    """A process of the command in a session of its own; what is left of it at the end of the block is killed."""
    with subprocess.Popen(command, start_new_session=True, text=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition):
    """What `condition` returns, as soon as that is true."""
    begun = time.monotonic()
    while not (value := condition()):
        assert time.monotonic() - begun < LIMIT, "waited too long"
        time.sleep(0.02)
    return value
