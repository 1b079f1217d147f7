"""Marks of what is done: kept, read back, damaged, switched off, cleared; and the overview of the course."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from bal_course import exercises
from bal_course.exercises import core, marks, progress
from bal_course.exercises.start_here import exercise_1, exercise_2, exercise_4, prediction_1

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TODAY = date.today().isoformat()
MODULES = [
    path
    for path in Path(exercises.__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "buttons", "core", "feedback", "marks", "progress")
]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of a learner who has done nothing yet; its folder does not exist."""
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv("BAL_PROGRESS", str(path))
    yield path
    for exercise in (exercise_1, exercise_2, exercise_4, prediction_1):
        exercise.hints_shown.clear()


def read(path):
    return json.loads(path.read_text())


def test_only_a_right_answer_leaves_a_mark(kept, capsys):
    for attempt in (None, "B", "Z"):
        exercise_4.check(attempt)
    assert not kept.exists()
    exercise_4.check("A")
    assert read(kept) == {"start_here.exercise_4": {"done": TODAY}}
    assert "Right" in capsys.readouterr().out


def test_a_prediction_counts_as_an_exercise(kept):
    prediction_1.check(prediction_1.answer)
    assert read(kept) == {"start_here.prediction_1": {"done": TODAY}}


@pytest.mark.parametrize(
    ("looked_at", "help_kept"),
    [(["hint"], "hint"), (["hint", "solution"], "solution"), (["solution", "hint"], "solution")],
)
def test_help_that_came_before_is_told(kept, looked_at, help_kept):
    for what in looked_at:
        getattr(exercise_4, what)()
    assert "start_here.exercise_4" in read(kept) and not progress.overview().is_done("start_here.exercise_4")
    exercise_4.check("A")
    assert read(kept)["start_here.exercise_4"] == {"done": TODAY, "help": help_kept}
    assert f"A colleague's test set ({TODAY}, {marks.HELP[help_kept]})" in str(progress.overview())


def test_the_first_time_counts(kept):
    marks.write_json(kept, {"start_here.exercise_4": {"done": "2020-02-29"}})
    exercise_4.solution()
    exercise_4.check("A")
    assert read(kept) == {"start_here.exercise_4": {"done": "2020-02-29"}}


def test_a_mark_outlives_a_change_of_the_text(kept):
    """It is filed under the exercise's name, so a new title shows the old mark, and a name that is gone does no harm."""
    marks.write_json(kept, {"start_here.exercise_4": {"done": "2020-02-29"}, "gone.exercise_9": {"done": "2020-02-29"}})
    chapter = progress.Chapter("00", "title", "00.ipynb", {"start_here.exercise_4": "Another title"})
    assert "✓ Another title (2020-02-29)" in str(progress.Overview([chapter], marks.load(), ""))
    exercise_1.check(exercise_1.answer)
    assert set(read(kept)) == {"start_here.exercise_4", "gone.exercise_9", "start_here.exercise_1"}


def test_an_exercise_of_ones_own_is_let_be(kept):
    mine = core.Exercise(title="Mine", answer=1, explanation="One.", hints=("One.",))
    mine.hint()
    mine.check(1)
    assert not kept.exists()


FOREIGN = {
    "empty": "",
    "torn": '{"start_here.exercise_4": {"done": "2020-02',
    "list": "[1]",
    "number for a mark": '{"start_here.exercise_4": 3}',
    "bytes": "\x00\xff",
    "deep": "[" * 100_000,
    "deep marks": '{"a":' * 100_000,
    "large": "{" + " " * 2_000_000 + "}",
    "a project of somebody's": '{"scripts": {"build": "tsc"}, "dependencies": {}}',
    "another date": '{"start_here.exercise_4": {"done": "\\ud800"}}',
    "another help": '{"start_here.exercise_4": {"help": ["hint"]}}',
    "date as a number": '{"start_here.exercise_4": {"done": 20200229}}',
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_damaged_file_is_a_sentence_and_stays_as_it_is(kept, capsys, content):
    kept.parent.mkdir()
    kept.write_text(content)
    exercise_4.check("A")
    told = capsys.readouterr().out
    assert "Right" in told and "cannot be read" in told and "progress.reset()" in told
    assert kept.read_text() == content
    assert "cannot be read" in str(progress.overview()) and "0 of" in str(progress.overview())
    progress.reset()
    exercise_4.check("A")
    assert "start_here.exercise_4" in read(kept)
    assert [path.read_text() for path in kept.parent.glob("progress-aside-*.json")] == [content]


def test_what_is_set_aside_twice_is_there_twice(kept):
    kept.parent.mkdir()
    for content in "ab":
        kept.write_text(content)
        progress.reset()
    assert sorted(path.read_text() for path in kept.parent.iterdir()) == ["a", "b"]


def test_an_editor_may_begin_the_file_with_its_mark(kept):
    kept.parent.mkdir()
    kept.write_text('{"start_here.exercise_4": {"done": "2020-02-29"}}', encoding="utf-8-sig")
    assert progress.overview().is_done("start_here.exercise_4")
    exercise_1.check(exercise_1.answer)
    assert set(read(kept)) == {"start_here.exercise_4", "start_here.exercise_1"}


def test_a_link_stays_a_link(kept, tmp_path):
    kept.parent.mkdir()
    synced = tmp_path / "synced.json"
    synced.write_text("{}")
    kept.symlink_to(synced)
    exercise_4.check("A")
    assert kept.is_symlink() and "start_here.exercise_4" in read(synced)


@pytest.mark.parametrize("place", ["~nobody-of-this-name/progress.json", "x" * 300])
def test_a_place_that_is_none_is_a_sentence(monkeypatch, capsys, place):
    monkeypatch.setenv("BAL_PROGRESS", place)
    exercise_4.hint()
    exercise_4.check("A")
    told = capsys.readouterr().out
    assert "Right" in told and ("could not be kept" in told or "cannot be read" in told or "BAL_PROGRESS" in told)
    assert "0 of" in str(progress.overview())
    progress.reset()
    exercise_4.hints_shown.clear()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_neither_read_nor_removed(kept, capsys, make):
    """A pipe would be waited for, a device read for ever; neither is ours to delete."""
    kept.parent.mkdir()
    make(kept)
    exercise_4.check("A")
    assert "BAL_PROGRESS" in capsys.readouterr().out and "BAL_PROGRESS" in str(progress.overview())
    progress.reset()
    assert "still there" in capsys.readouterr().out and [path.name for path in kept.parent.iterdir()] == [kept.name]


KERNEL = """
import importlib, sys
from bal_course.exercises import marks
names = sys.argv[1:]
modules = [importlib.import_module(f"bal_course.exercises.{name.split('.')[0]}") for name in names]
print("ready", flush=True)
sys.stdin.readline()
for module, name in zip(modules, names):
    print(marks.note(getattr(module, name.split(".")[1]).name, "done"), end="")
"""


@pytest.mark.slow
def test_two_kernels_at_once_lose_no_marks(kept):
    names = [name for chapter in progress.chapters() for name in chapter.titles]
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", KERNEL, *names[part::2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for part in range(2)
    ]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    assert [kernel.communicate()[0] for kernel in kernels] == ["", ""]
    assert set(read(kept)) == set(names)


def test_a_kernel_that_never_lets_go_is_a_sentence(kept, monkeypatch, capsys):
    kept.parent.mkdir()
    monkeypatch.setattr(marks, "SECONDS_TO_WAIT", 0.1)
    with FileLock(kept.with_name(".progress.json.lock")):
        exercise_4.check("A")
    assert "Right" in capsys.readouterr().out and not kept.exists()


def test_a_disk_without_locks_is_a_sentence(kept, monkeypatch, capsys):
    def no_locks(*_, **__):
        raise NotImplementedError("no flock")

    monkeypatch.setattr(marks, "FileLock", no_locks)
    exercise_4.check("A")
    assert "could not be kept: no flock" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "progress.json"):
        monkeypatch.setenv("BAL_PROGRESS", str(place))
        exercise_4.check("A")
        told = capsys.readouterr().out
        assert "Right" in told and ("cannot be read" in told or "could not be kept" in told)
        progress.reset()


def test_off_keeps_nothing_and_says_so(kept, monkeypatch, capsys):
    exercise_4.check("A")
    before = kept.read_text()
    monkeypatch.setenv("BAL_PROGRESS", "Off")
    exercise_1.check(exercise_1.answer)
    assert kept.read_text() == before and marks.file() is None
    overview = str(progress.overview())
    assert overview.startswith("0 of") and "BAL_PROGRESS is off" in overview
    progress.reset()
    assert "BAL_PROGRESS is off" in capsys.readouterr().out and kept.read_text() == before


@pytest.mark.slow
def test_tests_and_the_kernels_they_start_keep_nothing():
    """The learner's own marks are neither read nor written by `make test`: conftest.py sets the variable for all of it."""
    assert os.environ["BAL_PROGRESS"] == "off"
    code = "from bal_course.exercises import marks; print(marks.file())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "None"


def test_the_default_place_is_the_data_folder_of_the_platform(tmp_path, monkeypatch):
    monkeypatch.delenv("BAL_PROGRESS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    path = marks.file()
    assert path.name == "progress.json" and path.parent.name == "bayesian-active-learning"
    if sys.platform == "linux":
        assert marks.short_path(path) == "~/share/bayesian-active-learning/progress.json"


def test_reset_forgets_everything_once_or_twice(kept, capsys):
    exercise_4.check("A")
    progress.reset()
    progress.reset()
    assert not kept.exists() and str(kept) in capsys.readouterr().out


def test_no_half_written_file_is_left(kept, monkeypatch):
    exercise_4.check("A")
    before = kept.read_text()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    exercise_1.check(exercise_1.answer)
    assert kept.read_text() == before and {path.name for path in kept.parent.iterdir()} <= {
        "progress.json",
        ".progress.json.lock",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_of_exercises_is_a_chapter(path):
    """The list comes from the folder; an exercise counts however it is imported elsewhere."""
    chapters = {name: chapter for chapter in progress.chapters() for name in chapter.titles}
    written = re.findall(r"^(\w+) = Exercise\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = [name for name in chapters if name.startswith(f"{path.stem}.")]
    assert written and listed == [f"{path.stem}.{name}" for name in written]


@pytest.mark.parametrize("chapter", progress.chapters(), ids=lambda chapter: chapter.number)
def test_a_chapter_has_the_title_and_the_file_of_its_notebook(chapter):
    title, *_ = nbformat.read(NOTEBOOKS / chapter.file, as_version=4).cells[0].source.splitlines()
    assert title == f"# {chapter.number} · {chapter.title}"


def test_chapters_are_in_order_and_none_is_twice():
    numbers = [chapter.number for chapter in progress.chapters()]
    assert numbers == sorted(set(numbers)) and numbers[0] == "00" and len(numbers) == len(MODULES)


class Table(HTMLParser):
    """What a screen reader needs of a table."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.scopes, self.links, self.bars = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.scopes += [value for key, value in attrs if key == "scope"]
        self.links += [value for key, value in attrs if key == "href"]
        if tag == "progress":
            self.bars.append((int(dict(attrs)["value"]), int(dict(attrs)["max"])))

    def handle_data(self, data):
        self.text.append(data)


def test_the_table_says_in_words_what_its_signs_say(kept):
    exercise_4.check("A")
    overview = progress.overview()
    table, chapters = Table(overview._repr_html_()), progress.chapters()
    assert table.tags.count("caption") == 1 and table.scopes == ["col"] * 3 + ["row"] * len(chapters)
    assert table.text[:4] == [overview.total(), "Notebook", "Done", "To do"]
    assert f"✓ A colleague's test set ({TODAY})" in table.text
    left = len(chapters[0].titles) - 1
    assert "○ Least confidence" in table.text and f"{left} to do" in table.text
    assert f" 1 of {left + 1} done" in table.text
    assert "color" not in overview._repr_html_()


def test_each_notebook_has_a_link_and_a_bar_that_shows_what_is_done(kept):
    exercise_4.check("A")
    table, chapters = Table(progress.overview()._repr_html_()), progress.chapters()
    assert table.links == [chapter.file for chapter in chapters]
    assert table.bars == [(int(chapter.number == "00"), len(chapter.titles)) for chapter in chapters]


def test_table_and_text_hold_the_same_exercises(kept):
    exercise_4.check("A")
    overview = progress.overview()
    table, lines = "".join(Table(overview._repr_html_()).text), str(overview).splitlines()
    signs = [line.strip() for line in lines if line.strip()[:1] in ("✓", "○")]
    assert len(signs) == sum(len(chapter.titles) for chapter in progress.chapters())
    assert all(sign in table for sign in signs)
    assert sum(sign.startswith("✓") for sign in signs) == 1
    assert str(kept) in lines[-1] and "reset" in lines[-1]


def test_titles_and_places_are_text_not_markup():
    chapter = progress.Chapter("00", "a < b", "<i>.ipynb", {"m.e": "<script>`x`"})
    page = progress.Overview([chapter], {"m.e": {"done": "<b>"}}, "in <somewhere>")._repr_html_()
    assert "<script>" not in page and "<b>" not in page and "<somewhere>" not in page and "&lt;script&gt;x" in page
