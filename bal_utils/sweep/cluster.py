"""Tasks on the workers of a Dask cluster. Needs the extra `sweep`."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

SCHEDULER_SECONDS = 5  # to answer
WORKER_SECONDS = 20  # for a first worker to come: it has to import Python packages

Lost = Callable[[tuple, BaseException], Any]


def run_on_cluster(tasks: Iterable, address: str, lost: Lost) -> Iterator:
    """The results of `joblib.delayed` tasks from the workers of the scheduler at `address`, in the order they come.

    A task whose worker dies starts again on another; where several die of it, or it cannot be carried there and back, its
    result is `lost(arguments, error)`. Interrupting or closing the iterator takes the tasks back: those that have not begun
    never do, and one that a worker is in the middle of is `unwanted` there, and can end itself. Raises ValueError where dask
    is missing or workers have several threads, ConnectionError where scheduler or workers are missing or go away.
    """
    with connect(address) as client:  # whose end, killed or not, takes back what it still waits for
        check_workers(client, address)
        from distributed import as_completed

        waiting = {client.submit(function, *given, pure=False, **options): given for function, given, options in tasks}
        for future in as_completed(list(waiting), loop=client.loop):
            try:
                result = future.result()
            except CancelledError as error:
                raise ConnectionError(f"scheduler: the one at {address} went away") from error
            except Exception as error:
                result = lost(waiting[future], error)
            del waiting[future]
            yield result


def unwanted() -> bool:
    """Whether nobody waits any more for the task that this thread of a worker is in the middle of."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state == "cancelled"


def connect(address: str):
    """A `distributed.Client` of the scheduler at `address`."""
    try:
        from distributed import Client, Security, rpc
    except ImportError as error:
        raise ValueError("scheduler: expected dask, which is missing here: pip install 'dask[distributed]'") from error

    async def identity() -> dict:
        keys = Security().get_connection_args("client")  # as a Client does: Dask's settings, for tls:// addresses
        async with rpc(address, connection_args=keys) as scheduler:
            return await scheduler.identity()

    try:  # first with a limit of our own: a Client waits for ever for a port that listens and says nothing
        with ThreadPoolExecutor(1) as thread:  # a notebook's thread has an event loop already
            kind = thread.submit(asyncio.run, asyncio.wait_for(identity(), SCHEDULER_SECONDS)).result()["type"]
        if kind != "Scheduler":
            raise ValueError(f"there is a {kind}")
        return Client(address, timeout=SCHEDULER_SECONDS, set_as_default=False)
    except Exception as error:  # whatever is at that address may answer anything
        reason = str(error) or "no answer"
        raise ConnectionError(
            f"scheduler: expected the address of a Dask scheduler, such as tcp://192.168.0.1:8786, got {address!r} ({reason})"
        ) from error


def check_workers(client, address: str) -> None:
    """Waits for a first worker. Raises ConnectionError where none comes, ValueError where one has several threads."""
    command = f"dask worker {address} --nthreads 1 --nworkers 4"
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError as error:
        raise ConnectionError(
            f"scheduler: the one at {address} has no workers; start some, as by `{command}`"
        ) from error
    if threaded := [worker for worker, threads in client.nthreads().items() if threads > 1]:
        raise ValueError(
            f"scheduler: expected workers of one thread each, got {threaded[0]}; start them as by `{command}`"
        )
