"""The command: `python -m bal_utils.sweep --help`."""

import signal

from bal_utils.sweep import end_as_interrupted, main

signal.signal(signal.SIGTERM, end_as_interrupted)
main()
