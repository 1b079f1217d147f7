"""The runs of a sweep, on whichever machine: done, kept on disk, and a sentence where one fails."""

import contextlib
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb

from tqdm.auto import tqdm

from bal_utils.active_learning import Loop, LoopConfig
from bal_utils.data import ImageData
from bal_utils.data.images import ImageSet
from bal_utils.records import BeingWritten, is_complete, load_run, save_run, sole_writer
from bal_utils.sweep.lanes import Lanes
from bal_utils.training.fit import FitTask

Outcome = dict | str  # the record of a run, or the sentence that says why it failed

RETRY_SECONDS = 0.5  # until a record that another process writes may be free
# training seeds PyTorch's global random numbers, and the threads of a process share them
_ONE_AT_A_TIME = threading.Lock()


class Unwanted(Exception):
    """Nobody waits for a run any more."""


def run_one(
    index: int,
    config: LoopConfig,
    images: ImageSet,
    path: Path,
    found: dict | None,
    *,
    device: str | None,
    progress: bool,
    unwanted: Callable[[], bool] = lambda: False,
) -> tuple[int, Outcome]:
    """The index of a run and its outcome. Runs in this process, in one of its own, or on a worker of a cluster.

    The record is written to `path`, once no other process writes it. Where this machine has no such folder to write to, it
    goes on from `found`, which is what the client has of it, and the client saves what is returned. The run ends early, its
    finished rounds kept, as soon as it is `unwanted`, which is asked before every network.
    """
    try:
        with _ONE_AT_A_TIME, _writable(path, unwanted) as place:
            data = images.load(config.seed)
            if found is not None and not place.exists():
                save_run(place, found)
            loop = Loop(config, data, path=place, device=device)
            with contextlib.closing(loop.rounds(progress)) as tasks:
                for task in tasks:
                    _check_wanted(unwanted)
                    task.fit()
            return index, loop.record
    except Exception as error:
        return index, error_sentence(error)


def run_in_lanes(
    configs: Sequence[LoopConfig], images: ImageSet, paths: Sequence[Path], *, num_lanes: int, device: str | None
) -> Iterator[tuple[int, Outcome]]:
    """The index and outcome of each run, as they end. The networks of `num_lanes` runs train together in this process.

    The configurations share model, `fit` and `validation_size`, else ValueError is raised. Dropout draws from a stream of
    each network's own, so a record depends neither on the other runs nor on `num_lanes`, but it is not the one that
    `run_one` would have made.
    A run whose record another process writes is put off: nobody waits for one record while it holds others.
    """
    if len({(config.model, config.fit, config.validation_size) for config in configs}) > 1:
        raise ValueError("configs: expected runs of one model, fit and validation_size in lanes, got several")

    def new(index: int) -> _RunInLane:
        return _RunInLane(index, _tasks(configs[index], images, paths[index], device))

    waiting = deque(map(new, range(len(configs))))  # runs that need a lane
    training: dict[int, _RunInLane] = {}  # the run in each lane that is taken
    put_off, said, retry_time = [], set(), 0.0  # runs whose records others write, by index
    lanes = None
    while waiting or training or put_off:
        # 1. Runs go on to their next network, or end, until the lanes are full.
        entering = []
        while waiting and len(training) + len(entering) < num_lanes:
            run = waiting.popleft()
            match run.advance():
                case FitTask() as task:
                    entering.append((run, task))
                case BeingWritten() as other:
                    put_off.append(run.index)
                    _say_once(other, said)
                case outcome:
                    yield run.index, outcome

        # 2. The networks enter, and all lanes train for an epoch. A run whose network is done waits for its next.
        if entering and lanes is None:  # an empty lane costs as much as a full one: no more of them than runs
            most_labels = max(config.labels for config in configs)
            lanes = Lanes(entering[0][1], min(num_lanes, len(entering) + len(put_off)), most_labels)
        for run, task in entering:
            number = lanes.free()[0]
            lanes.enter(number, task)
            training[number] = run
        if training:
            for number, error in lanes.train():
                run = training.pop(number)
                run.error = error
                waiting.appendleft(run)  # before those that have not begun

        # 3. Runs that were put off are tried again from time to time.
        if put_off and not waiting:
            if not training:
                time.sleep(RETRY_SECONDS)
            if time.monotonic() > retry_time:
                waiting.extend(map(new, put_off))
                put_off.clear()
                retry_time = time.monotonic() + RETRY_SECONDS


@dataclass
class _RunInLane:
    """A run whose networks are trained for it, one after the other."""

    index: int
    tasks: Iterator[FitTask]
    error: Exception | None = None  # what went wrong with the network that it waits for

    def advance(self) -> FitTask | Outcome | BeingWritten:
        """What it needs trained next; at its end the outcome, or whom it would have to wait for."""
        try:
            return self.tasks.throw(self.error) if self.error else next(self.tasks)
        except StopIteration as end:
            return end.value
        except BeingWritten as other:
            return other
        except Exception as error:
            return error_sentence(error)


def _tasks(config: LoopConfig, images: ImageSet, path: Path, device: str | None) -> Iterator[FitTask]:
    """What a run needs trained; returns its record."""
    with sole_writer(path):
        loop = Loop(config, _load_images(images, config.seed), path=path, device=device)
        yield from loop.rounds()
        return loop.record


@lru_cache(maxsize=1)
def _load_images(images: ImageSet, seed: int) -> ImageData:
    """The images of a run, kept for the next one: runs of one seed follow each other."""
    return images.load(seed)


@contextlib.contextmanager
def _writable(path: Path, unwanted: Callable[[], bool]) -> Iterator[Path]:
    """`path` with the sole right to write there, or, where its folder cannot be written to, one that is soon removed.

    Waits while another process writes there and the run is not `unwanted`; says whom it waits for.
    """
    said = set()
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(sole_writer(path))
                break
            except BeingWritten as other:
                _say_once(other, said)
            except OSError:
                path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
                break
            _check_wanted(unwanted)
            time.sleep(RETRY_SECONDS)
        yield path


def _check_wanted(unwanted: Callable[[], bool]) -> None:
    if unwanted():
        raise Unwanted("nobody waits for this run any more")


def _say_once(other: BeingWritten, said: set[str]) -> None:
    """Says whom a run waits for, unless that was said before."""
    if str(other) not in said:
        said.add(str(other))
        tqdm.write(f"sweep: {other}; waiting until that is done", file=sys.stderr)


def error_sentence(error: BaseException) -> str:
    """The sentence of an error; of one that was not expected, also its type and place."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    frames = extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def usable_record(path: Path) -> dict | None:
    """The record at `path`, None where there is none that can be used: the run itself says what is wrong with it."""
    with contextlib.suppress(ValueError, OSError):
        record = load_run(path)
        return record if is_complete(record) else None


def save_if_longer(path: Path, record: dict) -> None:
    """Saves a record whose worker could not write to `path`. Raises ValueError where something else is there."""
    here = load_run(path) if path.exists() else None
    if here is None or len(here["rounds"]) < len(record["rounds"]):
        save_run(path, record)
