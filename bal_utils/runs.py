"""The runs of a sweep, on whichever machine: tried, kept on disk, and a sentence where one fails."""

import contextlib
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb

from bal_utils.active_learning import LoopConfig, begin, run_active_learning
from bal_utils.data import ImageData
from bal_utils.image_sets import ImageSet
from bal_utils.lanes import Lanes
from bal_utils.records import load_run, save_run, sole_writer
from bal_utils.training import FitTask
from bal_utils.workers import ONE_AT_A_TIME


def attempt(
    index: int,
    config: LoopConfig,
    images: ImageSet,
    path: Path,
    found: dict | None,
    *,
    device: str | None,
    progress: bool,
) -> tuple[int, dict | str]:
    """The index of a run, and its record or the sentence that says why it failed. Runs in a process of its own.

    The record is written to `path`. Where this machine has no such folder to write to, it goes on from `found`, which
    is what the client has of it, and the client saves what is returned.
    """
    try:
        with ONE_AT_A_TIME, writable(path) as place:
            data = images.load(config.seed)
            if found is not None and not place.exists():
                save_run(place, found)
            return index, run_active_learning(config, data, path=place, device=device, progress=progress)
    except Exception as error:
        return index, reason(error)


def attempt_in_lanes(
    configs: Sequence[LoopConfig], images: ImageSet, paths: Sequence[Path], *, num_lanes: int, device: str | None
) -> Iterator[tuple[int, dict | str]]:
    """What `attempt` returns for each run, as they end. The networks of `num_lanes` runs train together in this process.

    The configurations may differ in strategy, batch size and seed. Dropout draws from a stream of each network's own, so a
    record depends neither on the other runs nor on `num_lanes`, but it is not the one that `attempt` would have made.
    """
    runs = (in_lane(config, images, path, device) for config, path in zip(configs, paths, strict=True))
    waiting = deque((index, run, None) for index, run in enumerate(runs))
    lanes, going = None, {}
    while waiting or going:
        while waiting and len(going) < num_lanes:
            index, run, error = waiting.popleft()
            task, outcome = next_task(run, error)
            if task is None:
                yield index, outcome
                continue
            lanes = lanes or Lanes(task, num_lanes, most_labels=max(config.labels for config in configs))
            number = lanes.free()[0]
            lanes.enter(number, task)
            going[number] = index, run
        for number, error in lanes.train() if going else ():
            waiting.appendleft((*going.pop(number), error))  # before those that have not begun


def in_lane(config: LoopConfig, images: ImageSet, path: Path, device: str | None) -> Iterator[FitTask]:
    """What a run needs trained; returns its record."""
    with sole_writer(path):
        record, tasks = begin(config, load(images, config.seed), path=path, device=device, progress=False)
        yield from tasks
        return record


@lru_cache(maxsize=1)
def load(images: ImageSet, seed: int) -> ImageData:
    """The images of a run, kept for the next one: runs of one seed follow each other."""
    return images.load(seed)


def next_task(run: Iterator[FitTask], error: Exception | None) -> tuple[FitTask | None, dict | str | None]:
    """What a run needs trained next, once its last network is trained or has failed; None and its outcome at its end."""
    try:
        return (run.throw(error) if error else next(run)), None
    except StopIteration as end:
        return None, end.value
    except Exception as failure:
        return None, reason(failure)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[Path]:
    """`path` with the sole right to write there, or, where its folder cannot be written to, one that is soon removed."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sole_writer(path))
        except OSError:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
        yield path


def reason(error: BaseException) -> str:
    """The sentence of an error; of one that was not expected, also its type and place."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    places = [f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {error}{places[-1] if places else ''}"


def found_at(path: Path) -> dict | None:
    """The record at `path`, None where there is none that can be read: the run itself says what is wrong with it."""
    with contextlib.suppress(ValueError, FileNotFoundError):
        return load_run(path)


def keep(path: Path, record: dict) -> None:
    """Saves a record whose worker could not write to `path`."""
    here = found_at(path)
    if here is None or len(here["rounds"]) < len(record["rounds"]):
        save_run(path, record)
