"""Waiting for what another process does."""

import time

LIMIT = 100  # seconds after which a wait has failed; on an idle machine none takes ten


def wait_for(condition):
    """What `condition` returns, as soon as that is true."""
    started = time.monotonic()
    while not (value := condition()):
        assert time.monotonic() - started < LIMIT, "waited too long"
        time.sleep(0.02)
    return value
