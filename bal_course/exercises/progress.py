"""An overview of the whole course: which exercises are done, and which are left."""

import html
import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType

from bal_course import exercises
from bal_course.exercises import marks
from bal_course.exercises.core import Exercise
from bal_course.exercises.marks import reset

__all__ = ["Chapter", "Overview", "chapters", "overview", "reset"]

_CELL = 'style="text-align: left; vertical-align: top"'
_ROW = 'style="text-align: left; vertical-align: top; font-weight: normal; width: 40%"'


@dataclass(frozen=True)
class Chapter:
    """The exercises of one notebook: its number, title and file, and the title of each exercise by its name."""

    number: str
    title: str
    file: str
    titles: dict[str, str]


def chapters() -> list[Chapter]:
    """All exercises of the course, notebook by notebook: the modules of this folder that have a `CHAPTER`."""
    names = [found.name for found in pkgutil.iter_modules(exercises.__path__)]
    modules = {name: importlib.import_module(f"{exercises.__name__}.{name}") for name in names}
    found = [_chapter(name, module) for name, module in modules.items() if hasattr(module, "CHAPTER")]
    return sorted(found, key=lambda chapter: chapter.number)


def _chapter(name: str, module: ModuleType) -> Chapter:
    number, title = module.CHAPTER
    return Chapter(number, title, f"{number}_{name}.ipynb", _titles(module))


def _titles(module: ModuleType) -> dict[str, str]:
    return {value.name: value.title for value in vars(module).values() if isinstance(value, Exercise)}


class Overview:
    """What is done and what is left: a table with bars and links to the notebooks, or lines of text where there is no HTML."""

    def __init__(self, found: list[Chapter], kept: dict[str, marks.Mark], keeping: str) -> None:
        self.chapters, self.marks, self.keeping = found, kept, keeping

    def is_done(self, name: str) -> bool:
        return "done" in self.marks.get(name, {})

    def _words(self, name: str, title: str) -> str:
        """One exercise in words: a sign, its title, and when and how it was done."""
        mark, title = self.marks.get(name, {}), title.replace("`", "")
        if not self.is_done(name):
            return f"○ {title}"
        helped = marks.HELP.get(mark.get("help", ""))
        return f"✓ {title} ({mark['done']}{f', {helped}' if helped else ''})"

    def _split(self, chapter: Chapter) -> tuple[list[str], list[str]]:
        """The words of the exercises that are done, and of those that are not."""
        words = {name: self._words(name, title) for name, title in chapter.titles.items()}
        done = [said for name, said in words.items() if self.is_done(name)]
        return done, [said for name, said in words.items() if not self.is_done(name)]

    def total(self) -> str:
        names = [name for chapter in self.chapters for name in chapter.titles]
        return f"{sum(map(self.is_done, names))} of {len(names)} exercises done"

    def __repr__(self) -> str:
        lines = [self.total()]
        for chapter in self.chapters:
            done, left = self._split(chapter)
            lines += ["", f"{chapter.number} · {chapter.title}", f"  done: {len(done)} of {len(done) + len(left)}"]
            lines += [f"    {said}" for said in done]
            lines += [f"  to do: {len(left)}", *(f"    {said}" for said in left)]
        return "\n".join([*lines, "", self.keeping])

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col" {_CELL}>{head}</th>' for head in ("Notebook", "Done", "To do"))
        rows = "".join(self._row(chapter) for chapter in self.chapters)
        return (
            f"<table><caption>{self.total()}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{html.escape(self.keeping)}</p>"
        )

    def _row(self, chapter: Chapter) -> str:
        done, left = self._split(chapter)
        name = html.escape(f"{chapter.number} · {chapter.title}")
        link = f'<a href="{html.escape(chapter.file)}">{name}</a>'
        cells = _bar(len(done), len(done) + len(left)) + _listed(done), _folded(f"{len(left)} to do", left)
        return (
            f'<tr><th scope="row" {_ROW}>{link}</th>' + "".join(f"<td {_CELL}>{cell}</td>" for cell in cells) + "</tr>"
        )


def _bar(done: int, of: int) -> str:
    """A bar, and in words what it shows; only the words are read out."""
    return f'<progress aria-hidden="true" value="{done}" max="{of}"></progress> {done} of {of} done'


def _listed(items: list[str]) -> str:
    """A list in HTML whose signs are in the text, so that they are read out and copied."""
    entries = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f'<ul style="list-style: none; margin: 0; padding: 0">{entries}</ul>' if items else ""


def _folded(summary: str, items: list[str]) -> str:
    """A list that opens at a click or at Enter."""
    return f"<details><summary>{summary}</summary>{_listed(items)}</details>" if items else "nothing"


def overview() -> Overview:
    """All exercises of the course, notebook by notebook: which are done, since when, and where the marks are kept."""
    path, kept, keeping = None, {}, ""
    try:
        path, kept = marks.file(), marks.load()
    except ValueError as error:
        keeping = str(error)
    if path is None and not keeping:
        keeping = "No marks were kept in this run, because BAL_PROGRESS is off. In your own copy, run this cell again."
    elif not keeping:
        keeping = f"The marks are in {marks.short_path(path)} on this machine, and nowhere else. progress.reset() clears them."
    return Overview(chapters(), kept, keeping)
