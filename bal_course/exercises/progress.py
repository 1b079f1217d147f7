"""Which exercises are done: marks that `check` leaves in a file on this machine, and an overview of the whole course.

The file is the one that `BAL_PROGRESS` names, else `progress.json` in the platform's folder for data; `BAL_PROGRESS=off`
keeps nothing. A mark belongs to the exercise's name (`start_here.exercise_1`), so it outlives a change of its text.
Nothing leaves the machine, and no trouble with the file stops a check: it becomes a sentence. Two kernels may mark at once.
"""

import html
import importlib
import itertools
import json
import os
import pkgutil
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from bal_course import exercises
from bal_utils.records import save_run
from bal_utils.runtime import data_home

if TYPE_CHECKING:
    from bal_course.exercises.core import Exercise

Event = Literal["hint", "solution", "done"]
Mark = dict[str, str]  # "done": a date; "help": what was looked at before that

OFF = "off"
MOST_BYTES = 1_000_000  # all marks of the course take a hundredth of that
UNREADABLE = (OSError, ValueError, TypeError, AttributeError, RecursionError)  # what `read` raises for other contents
SECONDS_TO_WAIT = 10  # for another kernel, which needs a fraction of one
HELP = {"hint": "after a hint", "solution": "with the solution"}
DOCSTRING = re.compile(r"Exercises of notebook (\d\d): (.+)\.$")
CELL = 'style="text-align: left; vertical-align: top"'
ROW = 'style="text-align: left; vertical-align: top; font-weight: normal; width: 40%"'


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


def marks() -> dict[str, Mark]:
    """The marks by the exercises' names. Raises ValueError, with what to do, where the file cannot be read as such."""
    path = file()
    if path is None:
        return {}
    try:
        return read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except IsADirectoryError as error:
        raise ValueError(f"{error}. Name another place in BAL_PROGRESS.") from error
    except UNREADABLE as error:
        raise ValueError(
            f"The marks in {shown(path)} cannot be read ({type(error).__name__}). "
            "Mend the file, or start a new one with `progress.reset()`."
        ) from error


def read(path: Path) -> dict[str, Mark]:
    """The marks in a file. Raises one of `UNREADABLE` where it holds anything else, so that nobody's file is written over.

    IsADirectoryError stands for devices too, which are no more to be read or removed than folders are.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(f"Marks cannot be read from {shown(path)}: it is a folder or a device, not a file")
    if found.st_size > MOST_BYTES:
        raise ValueError("too large")
    kept = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark of their own
    for mark in kept.values():
        if mark.keys() - {"done", "help"} or mark.get("help", "hint") not in HELP:
            raise ValueError("not a mark")
        date.fromisoformat(mark.get("done", "2020-02-29"))
    return kept


def note(exercise: "Exercise", event: Event) -> str:
    """Keeps that an exercise is done, or that its hint or solution was shown before; what is done stays as it is.

    Returns "" or, where this could not be kept, a sentence that says why. An exercise that is not of the course is let be.
    """
    try:
        path, name = file(), name_of(exercise)
        if path is None or name is None or added(marks(), name, event) is None:
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=SECONDS_TO_WAIT):
            kept = added(marks(), name, event)  # read again: another kernel may have written
            if kept is not None:
                save_run(os.path.realpath(path), kept)  # a link stays a link
    except ValueError as error:
        return str(error)
    except (OSError, RuntimeError) as error:  # the latter where a disk has no locks
        return f"This mark could not be kept: {error}."
    return ""


def added(kept: dict[str, Mark], name: str, event: Event) -> dict[str, Mark] | None:
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
        forget(path)
    except (OSError, ValueError) as error:
        print(f"The marks are still there: {error}.")
    else:
        print(f"All marks are gone. The next one begins a new file, {shown(path)}.")


def forget(path: Path) -> None:
    try:
        read(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except IsADirectoryError:
        raise
    except UNREADABLE:
        print(f"What was in {shown(path)} is in {shown(set_aside(path))} now.")
    else:
        path.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Gives a file another name, one that is free."""
    names = (path.with_name(f"{path.stem}-aside-{number}{path.suffix}") for number in itertools.count(1))
    return path.rename(next(name for name in names if not name.exists()))


def name_of(exercise: "Exercise") -> str | None:
    """The name of an exercise of the course, "module.variable", from the modules that are already imported."""
    inside = f"{exercises.__name__}."
    for place, module in list(sys.modules.items()):
        if place.startswith(inside):
            for variable, value in vars(module).items():
                if value is exercise:
                    return f"{place.removeprefix(inside)}.{variable}"
    return None


@dataclass(frozen=True)
class Chapter:
    """The exercises of one notebook: number and topic, and the title of each exercise by its name."""

    number: str
    topic: str
    titles: dict[str, str]


def chapters() -> list[Chapter]:
    """All exercises of the course, notebook by notebook, as the modules of this folder have them.

    Raises ValueError where the docstring of such a module does not say which notebook it belongs to.
    """
    return sorted(find_chapters(), key=lambda chapter: chapter.number)


def find_chapters() -> Iterator[Chapter]:
    from bal_course.exercises.core import Exercise

    for found in pkgutil.iter_modules(exercises.__path__):
        module = importlib.import_module(f"{exercises.__name__}.{found.name}")
        titles = {
            f"{found.name}.{name}": value.title for name, value in vars(module).items() if isinstance(value, Exercise)
        }
        if not titles:
            continue
        told = DOCSTRING.match((module.__doc__ or "").strip())
        if told is None:
            raise ValueError(f"{found.name}: expected the docstring 'Exercises of notebook NN: topic.', got another")
        yield Chapter(*told.groups(), titles)


def shown(path: Path) -> str:
    """A path for the learner's eyes, with `~` for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)


class Overview:
    """What is done and what is left, as a table in a notebook and as lines of text elsewhere."""

    def __init__(self, found: list[Chapter], kept: dict[str, Mark], keeping: str) -> None:
        self.chapters, self.marks, self.keeping = found, kept, keeping

    def is_done(self, name: str) -> bool:
        return "done" in self.marks.get(name, {})

    def words(self, name: str, title: str) -> str:
        """One exercise in words: a sign, its title, and when and how it was done."""
        mark, title = self.marks.get(name, {}), title.replace("`", "")
        if not self.is_done(name):
            return f"○ {title}"
        helped = HELP.get(mark.get("help", ""))
        return f"✓ {title} ({mark['done']}{f', {helped}' if helped else ''})"

    def split(self, chapter: Chapter) -> tuple[list[str], list[str]]:
        """The words of the exercises that are done, and of those that are not."""
        words = {name: self.words(name, title) for name, title in chapter.titles.items()}
        done = [said for name, said in words.items() if self.is_done(name)]
        return done, [said for name, said in words.items() if not self.is_done(name)]

    def total(self) -> str:
        names = [name for chapter in self.chapters for name in chapter.titles]
        return f"{sum(map(self.is_done, names))} of {len(names)} exercises done"

    def __repr__(self) -> str:
        lines = [self.total()]
        for chapter in self.chapters:
            done, left = self.split(chapter)
            lines += ["", f"{chapter.number} · {chapter.topic}", f"  done: {len(done)} of {len(done) + len(left)}"]
            lines += [f"    {said}" for said in done]
            lines += [f"  to do: {len(left)}", *(f"    {said}" for said in left)]
        return "\n".join([*lines, "", self.keeping])

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col" {CELL}>{head}</th>' for head in ("Notebook", "Done", "To do"))
        rows = "".join(self.row(chapter) for chapter in self.chapters)
        return (
            f"<table><caption>{self.total()}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{html.escape(self.keeping)}</p>"
        )

    def row(self, chapter: Chapter) -> str:
        done, left = self.split(chapter)
        name = html.escape(f"{chapter.number} · {chapter.topic}")
        cells = f"{len(done)} of {len(done) + len(left)} done" + listed(done), folded(f"{len(left)} to do", left)
        return f'<tr><th scope="row" {ROW}>{name}</th>' + "".join(f"<td {CELL}>{cell}</td>" for cell in cells) + "</tr>"


def listed(items: list[str]) -> str:
    """A list in HTML whose signs are in the text, so that they are read out and copied."""
    entries = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f'<ul style="list-style: none; margin: 0; padding: 0">{entries}</ul>' if items else ""


def folded(summary: str, items: list[str]) -> str:
    """A list that opens at a click or at Enter."""
    return f"<details><summary>{summary}</summary>{listed(items)}</details>" if items else "nothing"


def overview() -> Any:
    """All exercises of the course, notebook by notebook: which are done, since when, and where the marks are kept."""
    path, kept, keeping = None, {}, ""
    try:
        path, kept = file(), marks()
    except ValueError as error:
        keeping = str(error)
    if path is None and not keeping:
        keeping = "No marks were kept in this run, because BAL_PROGRESS is off. In your own copy, run this cell again."
    elif not keeping:
        keeping = f"The marks are in {shown(path)} on this machine, and nowhere else. progress.reset() clears them."
    return Overview(chapters(), kept, keeping)
