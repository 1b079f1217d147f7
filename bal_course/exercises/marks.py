"""Which exercises are done: marks in a file on this machine, one for each exercise's name (`start_here.exercise_1`).

The file is the one that `BAL_PROGRESS` names, else `progress.json` in the platform's folder for data; `BAL_PROGRESS=off`
keeps nothing. A mark belongs to the name, so it outlives a change of the exercise's text. Nothing leaves the machine, and
no trouble with the file stops a check: it becomes a sentence. Two kernels may mark at once.
"""

import itertools
import json
import os
import stat
from datetime import date
from pathlib import Path
from typing import Literal

from filelock import FileLock

from bal_utils.records import write_json
from bal_utils.runtime import data_home

Event = Literal["hint", "solution", "done"]
Mark = dict[str, str]  # "done": a date; "help": what was looked at before that

OFF = "off"
HELP = {"hint": "after a hint", "solution": "with the solution"}
SECONDS_TO_WAIT = 10  # for another kernel, which needs a fraction of one

_MOST_BYTES = 1_000_000  # all marks of the course take a hundredth of that
_UNREADABLE = (OSError, ValueError, TypeError, AttributeError, RecursionError)  # what `_read` raises for other contents


def file() -> Path | None:
    """Where marks are kept: `BAL_PROGRESS`, else the platform's data folder; None where it is "off".

    Raises ValueError where `BAL_PROGRESS` begins with the home folder of nobody.
    """
    named = os.environ.get("BAL_PROGRESS", "").strip()
    if named.lower() == OFF:
        return None
    if not named:
        return data_home() / "progress.json"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ValueError(f"BAL_PROGRESS: expected a file or 'off', got {named!r} ({error})") from error


def load() -> dict[str, Mark]:
    """The marks by the exercises' names. Raises ValueError, with what to do, where the file cannot be read as such."""
    path = file()
    if path is None:
        return {}
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except IsADirectoryError as error:
        raise ValueError(f"{error}. Name another place in BAL_PROGRESS.") from error
    except _UNREADABLE as error:
        raise ValueError(
            f"The marks in {short_path(path)} cannot be read ({type(error).__name__}). "
            "Mend the file, or start a new one with `progress.reset()`."
        ) from error


def _read(path: Path) -> dict[str, Mark]:
    """The marks in a file. Raises one of `_UNREADABLE` where it holds anything else, so that nobody's file is written over.

    IsADirectoryError stands for devices too, which are no more to be read or removed than folders are.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(f"Marks cannot be read from {short_path(path)}: it is a folder or a device, not a file")
    if found.st_size > _MOST_BYTES:
        raise ValueError("too large")
    kept = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark of their own
    for mark in kept.values():
        if mark.keys() - {"done", "help"} or mark.get("help", "hint") not in HELP:
            raise ValueError("not a mark")
        date.fromisoformat(mark.get("done", "2020-02-29"))
    return kept


def note(name: str, event: Event) -> str:
    """Keeps that the exercise of this name is done, or that its hint or solution was shown before; what is done stays done.

    Returns "" or, where this could not be kept, a sentence that says why. An exercise without a name leaves no mark.
    """
    try:
        path = file()
        if path is None or not name or _added(load(), name, event) is None:
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=SECONDS_TO_WAIT):
            kept = _added(load(), name, event)  # read again: another kernel may have written
            if kept is not None:
                write_json(os.path.realpath(path), kept)  # a link stays a link
    except ValueError as error:
        return str(error)
    except (OSError, RuntimeError) as error:  # the latter where a disk has no locks
        return f"This mark could not be kept: {error}."
    return ""


def _added(kept: dict[str, Mark], name: str, event: Event) -> dict[str, Mark] | None:
    """The marks with one more, or None where it says nothing new."""
    mark = kept.get(name, {})
    if "done" in mark or (event == "hint" and "help" in mark):
        return None
    return kept | {name: mark | ({"done": date.today().isoformat()} if event == "done" else {"help": event})}


def reset() -> None:
    """Forgets all marks, and says so. A file that holds something else is set aside; a folder or a device is let be."""
    try:
        path = file()
        if path is None:
            print("No marks are kept: BAL_PROGRESS is off.")
            return
        _forget(path)
    except (OSError, ValueError) as error:
        print(f"The marks are still there: {error}.")
    else:
        print(f"All marks are gone. The next one begins a new file, {short_path(path)}.")


def _forget(path: Path) -> None:
    try:
        _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except IsADirectoryError:
        raise
    except _UNREADABLE:
        print(f"What was in {short_path(path)} is in {short_path(_set_aside(path))} now.")
    else:
        path.unlink(missing_ok=True)


def _set_aside(path: Path) -> Path:
    """Gives a file another name, one that is free."""
    names = (path.with_name(f"{path.stem}-aside-{number}{path.suffix}") for number in itertools.count(1))
    return path.rename(next(name for name in names if not name.exists()))


def short_path(path: Path) -> str:
    """A path for the learner's eyes, with `~` for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)
