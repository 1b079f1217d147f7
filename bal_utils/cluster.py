"""Tasks on the workers of a Dask cluster, through joblib's backend. Needs the extra `sweep`."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import joblib
from joblib._dask import DaskDistributedBackend

from bal_utils.workers import PARALLEL, ended_early

PATIENCE = 5  # seconds for the scheduler to answer, and for new workers in the place of interrupted ones
WORKERS_PATIENCE = 20  # seconds for a first worker to come: it has to import Python packages

Lost = Callable[[tuple, BaseException], Any]


class Backend(DaskDistributedBackend):
    """joblib's backend, which would wait for ever for a task that kills its workers, and not use a single worker at all.

    `lost` makes the result of such a task out of its arguments and the error.
    """

    def __init__(self, client, lost: Lost):
        super().__init__(client=client)
        self.lost = lost

    def effective_n_jobs(self, n_jobs: int) -> int:
        return max(2, super().effective_n_jobs(n_jobs))  # for one, joblib runs the tasks here, in the client

    def submit(self, func, callback=None):
        [(_, arguments, _)] = func.items

        def tell(future) -> None:
            if (error := future.exception()) is not None:
                callback([self.lost(arguments, error)])

        future = super().submit(func, callback)
        future.add_done_callback(tell)
        return future


def run_on_cluster(tasks: Iterable, address: str, lost: Lost) -> Iterator:
    """The results of `joblib.delayed` tasks from the workers of the scheduler at `address`, in the order they come.

    A task whose worker dies starts again on another; where several die of it, its result is `lost(arguments, error)`.
    Interrupting or closing the iterator ends the tasks: workers in the middle of one start anew. Raises ValueError where
    dask is missing or workers have several threads, ConnectionError where scheduler or workers are missing or go away.
    """
    with connect(address) as client:
        check_workers(client, address)
        with joblib.parallel_config(backend=Backend(client, lost)):
            results = joblib.Parallel(**PARALLEL)(tasks)
        try:
            with ended_early(results):
                yield from results
        except CancelledError as error:
            raise ConnectionError(f"scheduler: the one at {address} went away") from error
        except BaseException:
            with contextlib.suppress(Exception):  # where nobody answers there is nothing left to end
                client.sync(end_tasks, client, callback_timeout=PATIENCE)
            raise


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
            kind = thread.submit(asyncio.run, asyncio.wait_for(identity(), PATIENCE)).result()["type"]
        if kind != "Scheduler":
            raise ValueError(f"there is a {kind}")
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # whatever is at that address may answer anything
        reason = str(error) or "no answer"
        raise ConnectionError(
            f"scheduler: expected the address of a Dask scheduler, such as tcp://192.168.0.1:8786, got {address!r} ({reason})"
        ) from error


def check_workers(client, address: str) -> None:
    """Waits for a first worker. Raises ConnectionError where none comes, ValueError where one has several threads."""
    command = f"dask worker {address} --nthreads 1 --nworkers 4"
    try:
        client.wait_for_workers(1, timeout=WORKERS_PATIENCE)
    except TimeoutError as error:
        raise ConnectionError(
            f"scheduler: the one at {address} has no workers; start some, as by `{command}`"
        ) from error
    if threaded := [worker for worker, threads in client.nthreads().items() if threads > 1]:
        raise ValueError(
            f"scheduler: expected workers of one thread each, got {threaded[0]}; start them as by `{command}`"
        )


async def end_tasks(client) -> None:
    """Takes this client's tasks back, and has the workers in the middle of one replaced by their nannies.

    Asks the scheduler alone: workers may be too busy to answer. Workers that have tasks of other clients too are left.
    """
    from distributed import Future

    mine = set(client.futures)
    processing = await client.processing()
    await client.cancel([Future(key, client=client) for key in mine], force=True)
    nannies = (await client.scheduler.identity())["workers"]
    busy = [
        worker for worker, keys in processing.items() if keys and mine.issuperset(keys) and nannies[worker]["nanny"]
    ]
    await client.restart_workers(busy, raise_for_error=False)  # kills first, then waits for the new ones
