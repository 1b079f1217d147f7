"""Run records on disk: one JSON file a run, replaced whole, so that a killed run leaves its last finished round."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock


def save_run(path: str | Path, record: dict) -> Path:
    """Writes a record as JSON, atomically: the file at `path` is the old one or the new one, never a part.

    The new file is written beside the old, flushed to disk, then renamed over it. Raises ValueError where the record holds
    what JSON cannot (NaN and infinities included: they would not be read back by other programs).
    """
    path = Path(path)
    try:
        text = json.dumps(record, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"record: expected numbers, strings, lists and dictionaries only ({error})") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o644)  # temporary files are made private
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return path


@contextlib.contextmanager
def sole_writer(path: str | Path) -> Iterator[None]:
    """Makes this process the only one that writes the record at `path`; waits while another one is.

    The right to write ends with the block or with the process, killed or not. What a process killed while saving left
    behind is removed. The processes may be on several machines where their shared folder has file locks, as NFS does.
    Raises OSError where the folder cannot be made or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock).acquire(poll_interval=0.2):
        for left in path.parent.iterdir():
            if left.name.startswith(f".{path.name}.") and left != lock:
                left.unlink()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                lock.unlink()  # before it is released: whoever waits for it sees that it is gone, and makes a new one


def load_run(path: str | Path) -> dict:
    """Reads one record. Raises ValueError, naming the file, where it is not a JSON object."""
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected a run record in JSON, got something else ({error}); move it away"
        ) from error
    if not isinstance(record, dict) or "rounds" not in record:
        raise ValueError(
            f"{path}: expected a run record (an object with 'rounds'), got another JSON value; move it away"
        )
    return record


def load_runs(folder: str | Path) -> list[dict]:
    """Reads every record (`*.json`) below a folder, ordered by file name. Raises FileNotFoundError where it has none."""
    paths = sorted(path for path in Path(folder).rglob("*.json") if not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"folder: expected run records (*.json) below {str(folder)!r}, found none")
    return [load_run(path) for path in paths]


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
