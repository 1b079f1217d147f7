"""The measures of a lesson: it fits a lecture, shows numbers, folds its machinery, and lets the learner act first."""

import json
from pathlib import Path

import pytest

from publishing.measures import is_folded, measures

FOLDER = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
EVERY = [*LESSONS, *sorted(FOLDER.glob("further/*.ipynb"))]
MOST = {
    "words": 3200,
    "code": 320,
    "figures": 11,
    "cells": 84,
    "play at %": 22,
}  # "about" 3,000, 300, 10, 80 and a fifth

of_every_notebook = pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_fits_a_lecture_and_begins_with_play(path):
    found = measures(read(path))
    assert found["play at %"] is not None, "no cell with the tag explorer"
    assert {name: found[name] for name in MOST if found[name] > MOST[name]} == {}


@of_every_notebook
def test_numbers_are_printed_and_not_truth_values(path):
    assert measures(read(path))["booleans"] == 0


@of_every_notebook
def test_machinery_is_folded_on_the_page_as_on_the_site(path):
    for cell in code_cells(path):
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        assert is_folded(cell) == ("hide-input" in tags), source
        if "checked(" in source or source.startswith("import matplotlib"):
            assert is_folded(cell), source


@of_every_notebook
def test_a_prediction_is_asked_before_its_answer_is_open(path):
    cells = code_cells(path)
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        tags = cell["metadata"].get("tags", [])
        assert ("prediction" in tags) == (".ask()" in "".join(cell["source"]))
        if "prediction" in tags:
            assert after is not None and "answer" in after["metadata"].get("tags", []), "".join(cell["source"])
        if "answer" in tags:
            assert cell["metadata"].get("jupyter", {}).get("outputs_hidden"), "".join(cell["source"])


@of_every_notebook
def test_a_tolerance_is_a_share(path):
    for cell in code_cells(path):
        tolerance = cell["metadata"].get("nbval", {}).get("tolerance", 0.1)
        assert type(tolerance) is float and 0 < tolerance <= 0.5
