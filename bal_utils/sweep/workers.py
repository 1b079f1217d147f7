"""Tasks in processes of this machine: results as they come, and an end that leaves nothing running."""

import contextlib
import functools
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import joblib
from tqdm.auto import tqdm

from bal_utils.checks import check_whole

# one task at a time, each to a process of its own choice, and results in the order in which they come
_PARALLEL = {"return_as": "generator_unordered", "batch_size": 1, "pre_dispatch": "all"}


def run_in_processes(tasks: Iterable, jobs: int) -> Iterator:
    """The results of `joblib.delayed` tasks from `jobs` processes, in the order in which they come.

    With one job the tasks run in this process. Interrupting or closing the iterator kills the others at once. Raises
    ValueError where `jobs` is 0 or below -1 (-1: a job for each core), ChildProcessError where a process is killed.
    """
    if check_whole("jobs", jobs, at_least=-1) == 0:
        raise ValueError("jobs: expected at least 1, or -1 for as many as there are cores, got 0")
    guarded = [joblib.delayed(_while_parent_lives)(os.getpid(), *task) for task in tasks]
    with _interrupts_ignored():  # passed on to new processes: signals reach them too, and this one ends them
        results = joblib.Parallel(n_jobs=jobs, **_PARALLEL)(guarded)
    with warnings.catch_warnings(), contextlib.closing(results):
        warnings.filterwarnings("ignore", module="joblib")  # of results that nobody waited for
        try:
            yield from results
        except BrokenProcessPool as error:
            raise ChildProcessError("a process was killed, perhaps because memory ran out") from error


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C (SIGINT) and SIGTERM do nothing in the block, nor ever in the processes that are started in it."""
    if threading.current_thread() is not threading.main_thread():  # which alone receives signals
        yield
        return
    handlers = {kind: signal.signal(kind, signal.SIG_IGN) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in handlers.items():
            signal.signal(kind, handler)


def _while_parent_lives(parent: int, function: Callable, arguments: tuple, options: dict) -> Any:
    """Calls a function in a process that ends soon after its parent, even where that was killed."""
    if os.getpid() != parent:
        _end_with(parent)
        tqdm.set_lock(threading.RLock())  # its default holds a semaphore, which a killed process would leave behind
    return function(*arguments, **options)


@functools.lru_cache  # one thread a process, whatever the number of its tasks
def _end_with(parent: int) -> None:
    """Starts a thread that ends this process within a second of its parent."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
