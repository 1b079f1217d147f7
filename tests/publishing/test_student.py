"""The student edition: no solutions, no answer before it is asked for, and everything in it runs."""

import importlib
import inspect
import json
import pkgutil
import re
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from bal_course import exercises
from bal_course.exercises.core import Exercise
from publishing import student

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9]*.ipynb"))
CHEAP = FOLDER / "02_bayesian_classification.ipynb"


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    out = tmp_path_factory.mktemp("student")
    student.write_students(out, PATHS)
    return out / "notebooks"


def answers():
    """The source of every exercise's answer, without its first line, as one line."""
    for module in pkgutil.iter_modules(exercises.__path__):
        for name, value in vars(importlib.import_module(f"bal_course.exercises.{module.name}")).items():
            if isinstance(value, Exercise) and inspect.isfunction(value.answer):
                lines = textwrap.dedent(inspect.getsource(value.answer)).strip().splitlines()
                yield f"{module.name}.{name}", squeezed("\n".join(lines))


def squeezed(text):
    return re.sub(r"\s+", " ", text)


def test_no_answer_is_left_in_it(edition):
    solutions = dict(answers())
    assert len(solutions) > 30
    for path in edition.rglob("*.ipynb"):
        text = squeezed("\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells))
        assert [name for name, source in solutions.items() if source in text] == [], path.name
        assert "solution()" not in text and "**Solution.**" not in path.read_text()


def test_its_links_lead_to_what_is_in_it(edition):
    pages = [*edition.rglob("*.ipynb"), edition / "glossary.md"]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", words(page))]
    assert len(links) > 300
    assert [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()] == []


def words(page):
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(page, as_version=4).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_hints_and_checks_stay(edition, path):
    before, after = path.read_text(), (edition / path.name).read_text()
    for word in (".hint()", ".check("):
        assert after.count(word) == before.count(word) > 0


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_that_belongs_to_the_teacher_is_left(edition, path):
    book = nbformat.read(edition / path.name, as_version=4)
    nbformat.validate(book)
    assert not any(set(cell.metadata) & set(student.FOR_TEACHERS) for cell in book.cells)
    exercises_in_it = [cell for cell in book.cells if "exercise" in cell.metadata.get("tags", ())]
    assert len(exercises_in_it) >= 3 and not any(cell.outputs for cell in exercises_in_it)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_prediction_answers_without_a_kernel_and_its_answer_stays_folded(edition, path):
    for cell in nbformat.read(edition / path.name, as_version=4).cells:
        tags = cell.metadata.get("tags", ())
        if "prediction" in tags:
            (output,) = cell.outputs
            assert "<details" in output.data["text/html"] and set(output.data) == {"text/html", "text/plain"}
        if "answer" in tags:
            assert cell.metadata.jupyter.outputs_hidden


def cell(kind, source, tags=(), outputs=()):
    made = {"cell_type": kind, "metadata": {"tags": list(tags), "speaker_notes": "x"}, "source": source}
    return made | ({"outputs": list(outputs), "execution_count": 1} if kind == "code" else {})


def test_what_goes_and_what_stays():
    said = [{"output_type": "stream", "name": "stdout", "text": "C"}]
    book = {"cells": [
        cell("markdown", ["## Guess\n", "\n", "Take a hint\n", "or the solution."]),
        cell("code", ["exercise_1.check(None)\n", "# a.hint()\n", "#  b.a.solution()  # no\n", "x = 1"], outputs=said),
        cell("code", ["prediction_1.ask()"], outputs=said),
        cell("code", ["print('C')"], ["answer"], outputs=said),
        cell("code", ["print(1)"], outputs=said),
        cell("code", ["answer = 3"], ["solution"]),
    ]}  # fmt: skip
    before = json.dumps(book)
    text, exercise, guess, figure, later = student.without_solutions(book)["cells"]
    assert "".join(text["source"]) == "## Guess\n\nTake a hint."
    assert "".join(exercise["source"]) == "exercise_1.check(None)\n# a.hint()\nx = 1"
    assert exercise["outputs"] == [] and guess["outputs"] == later["outputs"] == said
    assert figure["metadata"]["jupyter"] == {"outputs_hidden": True} and "C" in figure["outputs"][0]["text"][-1]
    assert later["metadata"] == {"tags": []}
    assert json.dumps(book) == before, "the notebook itself must stay as it is"


def test_it_runs_with_every_stub_as_it_is(edition):
    """One notebook here; `make student CHECK=1` runs them all. That solutions pass their checks is in test_exercises.py."""
    book = nbformat.read(edition / CHEAP.name, as_version=4)
    stubs = [cell for cell in book.cells if "exercise" in cell.metadata.get("tags", ())]
    imports = [cell for cell in book.cells if cell.cell_type == "code"][:1]
    book.cells = imports + stubs
    done, _ = ExecutePreprocessor(timeout=120).preprocess(book, {"metadata": {"path": str(edition)}})
    said = [
        output.data["text/markdown"] for cell in done.cells for output in cell.get("outputs", ()) if "data" in output
    ]
    assert len(said) >= 3 and all("Not attempted yet" in text for text in said)
