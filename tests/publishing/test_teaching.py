"""Lesson plan and question bank: what they name exists, and lectures take ninety minutes."""

import importlib
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
STEMS = {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
PLAN = (ROOT / "teaching" / "lesson_plan.md").read_text(encoding="utf-8")
BANK = (ROOT / "teaching" / "question_bank.md").read_text(encoding="utf-8")
LECTURES = re.findall(r"^### (\d\d_\w+): (.+)\n\n((?:\|.*\n)+)\n(Short of time, skip: .+)$", PLAN, flags=re.MULTILINE)
QUESTIONS = re.split(r"^### (?=\d\d\.\d )", BANK, flags=re.MULTILINE)[1:]


def rows(table):
    return [[field.strip() for field in line.strip("|\n ").split("|")] for line in table.strip().splitlines()[2:]]


def headings(stem):
    book = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    return set(re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)), re.search(
        r"^# \d\d · (.+)$", text, flags=re.MULTILINE
    )[1]


@pytest.mark.parametrize("text", [PLAN, BANK], ids=["plan", "bank"])
def test_every_notebook_named_exists_and_every_notebook_is_named(text):
    assert set(re.findall(r"\b\d\d_[a-z]\w+", text)) == STEMS


@pytest.mark.parametrize(("stem", "question", "table", "_"), LECTURES, ids=[lecture[0] for lecture in LECTURES])
def test_a_lecture_takes_ninety_minutes_and_names_sections_of_its_notebook(stem, question, table, _):
    sections, title = headings(stem)
    now = 0
    for start, minutes, section, what, does in rows(table):
        assert start == f"{now // 60}:{now % 60:02d}"
        assert section == "Opening" or section in sections, section
        assert what and does
        now += int(minutes)
    assert now == 90 and question == title


def test_there_is_a_lecture_for_every_notebook():
    assert {lecture[0] for lecture in LECTURES} == STEMS


def test_blocks_of_the_workshop_take_ninety_minutes():
    blocks = re.findall(r"^\| [12] \| \d \|.*$", PLAN, flags=re.MULTILINE)
    assert len(blocks) == 8
    assert all(sum(map(int, re.findall(r"\((\d+) min\)", block))) == 90 for block in blocks)


def test_objectives_name_every_exercise_and_no_other():
    named = set()
    for stem, listed in re.findall(r"^\| [^|]+ \| (\d\d_\w+) \| (exercise_[^|]+) \|$", PLAN, flags=re.MULTILINE):
        named |= {(stem, name) for name in listed.split(", ")}
    there = set()
    for stem in STEMS:
        module = importlib.import_module(f"bal_course.exercises.{stem[3:]}")
        there |= {(stem, name) for name in vars(module) if re.fullmatch(r"exercise_\d", name)}
    assert named == there


@pytest.mark.parametrize("question", QUESTIONS, ids=[text.split()[0] for text in QUESTIONS])
def test_a_question_has_an_answer_a_source_and_a_reason_for_each_wrong_option(question):
    number, kind = re.match(r"(\d\d\.\d) (Multiple choice|Short answer)\n", question).groups()
    stem, section = re.search(r'^\*(\d\d_\w+), "(.+)"\*$', question, flags=re.MULTILINE).groups()
    assert stem.startswith(number[:2]) and section in headings(stem)[0], section
    if kind == "Short answer":
        assert re.search(r"^\*\*Answer\.\*\* \S", question, flags=re.MULTILINE)
        assert re.search(r"^Common wrong answer: \S", question, flags=re.MULTILINE)
        return
    options = re.findall(r"^- \*\*([A-D])\*\* \S", question, flags=re.MULTILINE)
    right = re.search(r"^\*\*Answer: ([A-D])\.\*\* \S", question, flags=re.MULTILINE)[1]
    explained = re.findall(r"^- ([A-D, ]+): \S", question, flags=re.MULTILINE)
    assert len(options) >= 3
    assert sorted(", ".join(explained).split(", ")) == sorted(set(options) - {right})


def test_there_are_four_questions_for_each_notebook_and_the_right_option_moves():
    counts = [text[:2] for text in QUESTIONS]
    assert len(QUESTIONS) == 60 and all(counts.count(stem[:2]) == 4 for stem in STEMS)
    right = re.findall(r"^\*\*Answer: ([A-D])", BANK, flags=re.MULTILINE)
    assert max(right.count(letter) for letter in "ABC") < 0.75 * len(right)
