"""Run records on disk: one JSON file a run, replaced whole, so that a killed run leaves its last finished round."""

import contextlib
import json
import math
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from numbers import Integral
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout


class BeingWritten(RuntimeError):
    """Another process has the right to write a record."""


def save_run(path: str | Path, record: dict) -> Path:
    """Writes the record of a run; otherwise as `write_json`."""
    return write_json(path, record, name="record")


def write_json(path: str | Path, value: dict | list, *, name: str = "value") -> Path:
    """Writes a value as JSON, atomically: the file at `path` is the old one or the new one, never a part.

    Raises ValueError where the value holds what JSON cannot (`as_json`), OSError where the file cannot be written.
    """
    text = as_json(value, name=name)
    with replaced(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def as_json(value: dict | list, *, name: str = "value") -> str:
    """A value as JSON, NumPy's whole numbers as plain ones.

    Raises ValueError where it holds what JSON cannot; NaN and infinities too: other programs would not read them back.
    """
    try:
        return json.dumps(value, indent=1, allow_nan=False, default=_plain_int)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: expected numbers, strings, lists and dictionaries only ({error})") from error


def _plain_int(value: object) -> int:
    if isinstance(value, Integral):
        return int(value)
    raise TypeError(f"got a {type(value).__name__}")


@contextlib.contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """An empty file beside `path`, to be written in the block, then flushed to disk and renamed over `path`.

    Where anything goes wrong, what was at `path` stays. Raises OSError, naming the file, where it cannot be written.
    """
    path, part = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        try:
            yield part
            os.fsync(handle)
        finally:
            os.close(handle)
        part.chmod(0o644)  # temporary files are made private
        part.replace(path)
    except BaseException as error:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
        if isinstance(error, OSError):
            raise OSError(f"{path} cannot be written ({error.strerror or error}); what was there is kept") from error
        raise


@contextlib.contextmanager
def sole_writer(path: str | Path) -> Iterator[None]:
    """Makes this process the only one that writes the record at `path`.

    Never waits, so that no two processes can wait for each other: raises BeingWritten, naming the process, where another
    one has the right. It ends with the block or with the process, killed or not; what a process killed while saving left
    behind is removed. The processes may be on several machines where their shared folder has file locks, as NFS does.
    Raises OSError where the folder cannot be made or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, writer = (path.with_name(f".{path.name}.{kind}") for kind in ("lock", "writer"))
    try:
        right = FileLock(lock).acquire(timeout=0)
    except Timeout:
        raise BeingWritten(f"{path.name} is being written by {_name_in(writer)}") from None
    with right:
        for left in path.parent.iterdir():
            if left.name.startswith(f".{path.name}.") and left != lock:
                left.unlink()
        with contextlib.suppress(OSError):  # on a full disk, without a name
            writer.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                writer.unlink(missing_ok=True)
                lock.unlink()  # before it is released: whoever waits for it sees that it is gone, and makes a new one


def _name_in(writer: Path) -> str:
    """Who has written its name into a file."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return writer.read_text(encoding="utf-8") or "another process"
    return "another process"


def load_run(path: str | Path) -> dict:
    """Reads one record. Raises ValueError, naming the file, where it is not a JSON object with a list of `rounds`."""
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, a number of too many digits; too many brackets
        raise ValueError(
            f"{path}: expected a run record in JSON, got something else ({error}); move it away"
        ) from error
    rounds = record.get("rounds") if isinstance(record, dict) else None
    if not isinstance(rounds, list) or not all(isinstance(entry, dict) for entry in rounds):
        raise ValueError(
            f"{path}: expected a run record (an object with 'rounds'), got another JSON value; move it away"
        )
    return record


def is_complete(record: dict) -> bool:
    """Whether a record has all that runs are grouped, drawn and continued by, as those of the loop have."""
    match record:
        case {
            "config": {"strategy": str(), "batch_size": int(), "posterior": str(), "seed": int()},
            "data": {"name": str()},
            "start": list(),
            "rounds": list(rounds),
        }:
            return all(_is_round(entry) for entry in rounds)
    return False


def _is_round(entry: dict) -> bool:
    match entry:
        case {"labels": int(), "accuracy": int() | float() as accuracy, "acquired": list()}:
            return math.isfinite(accuracy)
    return False


def record_paths(folder: str | Path) -> list[Path]:
    """The files `*.json` below a folder by name, but for hidden ones and those in hidden folders (of editors, of Jupyter).

    Raises FileNotFoundError where there are none.
    """
    paths = sorted(path for path in Path(folder).rglob("*.json") if path.is_file())
    shown = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not shown:
        raise FileNotFoundError(f"folder: expected run records (*.json) below {str(folder)!r}, found none")
    return shown


def load_runs(folder: str | Path) -> list[dict]:
    """Reads every record (`record_paths`) below a folder, ordered by file name.

    Raises FileNotFoundError where it has none, ValueError, naming the file, where one is no record.
    """
    return [load_run(path) for path in record_paths(folder)]


def stack_runs(runs: Iterable[dict], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """One quantity of several runs, as arrays over seeds S and rounds R.

    Returns labels_R (all label counts that occur, ascending) and values_S_R, NaN where a run has no round with that count.
    """
    curves = [{entry["labels"]: entry[quantity] for entry in run["rounds"]} for run in runs]
    if not curves:
        raise ValueError("runs: expected at least one record, got none")
    labels_R = sorted(set().union(*curves))
    values_S_R = np.array([[curve.get(count, np.nan) for count in labels_R] for curve in curves], dtype=float)
    return np.array(labels_R), values_S_R


def labels_to_reach(labels_R: np.ndarray, accuracy_R: np.ndarray, threshold: float) -> float:
    """The fewest labels at which a curve first reaches `threshold`; infinity where it never does."""
    reached = np.asarray(labels_R)[np.asarray(accuracy_R) >= threshold]
    return float(reached[0]) if reached.size else float("inf")
