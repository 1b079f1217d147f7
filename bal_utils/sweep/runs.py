"""The runs of a sweep, on whichever machine: tried, kept on disk, and a sentence where one fails."""

import contextlib
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb

from tqdm.auto import tqdm

from bal_utils.active_learning import Loop, LoopConfig
from bal_utils.data import ImageData
from bal_utils.data.images import ImageSet
from bal_utils.records import BeingWritten, is_complete, load_run, save_run, sole_writer
from bal_utils.sweep.lanes import Lanes
from bal_utils.sweep.workers import ONE_AT_A_TIME
from bal_utils.training.fit import FitTask

LOOK_AGAIN = 0.5  # seconds until a record that another process writes may be free


class Unwanted(Exception):
    """Nobody waits for a run any more."""


def never() -> bool:
    return False


def attempt(
    index: int,
    config: LoopConfig,
    images: ImageSet,
    path: Path,
    found: dict | None,
    *,
    device: str | None,
    progress: bool,
    unwanted: Callable[[], bool] = never,
) -> tuple[int, dict | str]:
    """The index of a run, and its record or the sentence that says why it failed. Runs in a process of its own.

    The record is written to `path`, once no other process writes it. Where this machine has no such folder to write to, it
    goes on from `found`, which is what the client has of it, and the client saves what is returned. The run ends early, its
    finished rounds kept, as soon as it is `unwanted`, which is asked before every network.
    """
    try:
        with ONE_AT_A_TIME, writable(path, unwanted) as place:
            data = images.load(config.seed)
            if found is not None and not place.exists():
                save_run(place, found)
            loop = Loop(config, data, path=place, device=device)
            with contextlib.closing(loop.rounds(progress)) as tasks:
                for task in tasks:
                    if unwanted():
                        raise Unwanted("nobody waits for this run any more")
                    task.fit()
            return index, loop.record
    except Exception as error:
        return index, reason(error)


def attempt_in_lanes(
    configs: Sequence[LoopConfig], images: ImageSet, paths: Sequence[Path], *, num_lanes: int, device: str | None
) -> Iterator[tuple[int, dict | str]]:
    """What `attempt` returns for each run, as they end. The networks of `num_lanes` runs train together in this process.

    The configurations may differ in strategy, batch size and seed. Dropout draws from a stream of each network's own, so a
    record depends neither on the other runs nor on `num_lanes`, but it is not the one that `attempt` would have made.
    A run whose record another process writes is put off: nobody waits for one record while it holds others.
    """
    if len({(config.model, config.fit, config.validation_size) for config in configs}) > 1:
        raise ValueError("configs: expected runs of one model, fit and validation_size in lanes, got several")
    begun = lambda index: (index, in_lane(configs[index], images, paths[index], device), None)  # noqa: E731
    ready, put_off, told, look_again = deque(map(begun, range(len(configs)))), [], set(), 0.0
    lanes, going = None, {}
    while ready or going or put_off:
        entering = []
        while ready and len(going) + len(entering) < num_lanes:
            index, run, error = ready.popleft()
            task, outcome = next_task(run, error)
            if task is not None:
                entering.append((index, run, task))
            elif isinstance(outcome, BeingWritten):
                put_off.append(index)
                tell(outcome, told)
            else:
                yield index, outcome
        if entering and lanes is None:  # an empty lane costs as much as a full one: no more of them than runs
            most_labels = max(config.labels for config in configs)
            lanes = Lanes(entering[0][-1], min(num_lanes, len(entering) + len(put_off)), most_labels)
        for index, run, task in entering:
            number = lanes.free()[0]
            lanes.enter(number, task)
            going[number] = index, run
        for number, error in lanes.train() if going else ():
            ready.appendleft((*going.pop(number), error))  # before those that have not begun
        if put_off and not going and not ready:
            time.sleep(LOOK_AGAIN)
        if put_off and not ready and time.monotonic() > look_again:
            ready.extend(map(begun, put_off))
            put_off.clear()
            look_again = time.monotonic() + LOOK_AGAIN


def in_lane(config: LoopConfig, images: ImageSet, path: Path, device: str | None) -> Iterator[FitTask]:
    """What a run needs trained; returns its record."""
    with sole_writer(path):
        loop = Loop(config, load(images, config.seed), path=path, device=device)
        yield from loop.rounds()
        return loop.record


@lru_cache(maxsize=1)
def load(images: ImageSet, seed: int) -> ImageData:
    """The images of a run, kept for the next one: runs of one seed follow each other."""
    return images.load(seed)


def next_task(
    run: Iterator[FitTask], error: Exception | None
) -> tuple[FitTask | None, dict | str | BeingWritten | None]:
    """What a run needs trained next, once its last network is trained or has failed; None and its outcome at its end."""
    try:
        return (run.throw(error) if error else next(run)), None
    except StopIteration as end:
        return None, end.value
    except BeingWritten as other:
        return None, other
    except Exception as failure:
        return None, reason(failure)


@contextlib.contextmanager
def writable(path: Path, unwanted: Callable[[], bool]) -> Iterator[Path]:
    """`path` with the sole right to write there, or, where its folder cannot be written to, one that is soon removed.

    Waits while another process writes there and the run is not `unwanted`; says whom it waits for.
    """
    told = set()
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(sole_writer(path))
                break
            except BeingWritten as other:
                tell(other, told)
            except OSError:
                path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
                break
            if unwanted():
                raise Unwanted("nobody waits for this run any more")
            time.sleep(LOOK_AGAIN)
        yield path


def tell(other: BeingWritten, told: set[str]) -> None:
    """Says whom a run waits for; each of them once."""
    if str(other) not in told:
        told.add(str(other))
        tqdm.write(f"sweep: {other}; waiting until that is done", file=sys.stderr)


def reason(error: BaseException) -> str:
    """The sentence of an error; of one that was not expected, also its type and place."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    places = [f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {error}{places[-1] if places else ''}"


def found_at(path: Path) -> dict | None:
    """The record at `path`, None where there is none that can be used: the run itself says what is wrong with it."""
    with contextlib.suppress(ValueError, OSError):
        record = load_run(path)
        return record if is_complete(record) else None


def keep(path: Path, record: dict) -> None:
    """Saves a record whose worker could not write to `path`. Raises ValueError where something else is there."""
    here = load_run(path) if path.exists() else None
    if here is None or len(here["rounds"]) < len(record["rounds"]):
        save_run(path, record)
