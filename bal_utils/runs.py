"""One run of a sweep, on whichever machine: tried, kept on disk, and a sentence where it fails."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb

from bal_utils.active_learning import LoopConfig, run_active_learning
from bal_utils.image_sets import ImageSet
from bal_utils.records import load_run, save_run, sole_writer
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
