"""The form of every notebook: run once from top to bottom, with prose, alt text and the sections of a lesson."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES, FEWEST_WORDS_A_LINE, MOST_BYTES = 25, 5, 1_500_000
WIDGET = "application/vnd.jupyter.widget-view+json"
SECTIONS = ("you will be able to", "exercise", "common mistakes", "summary", "references")
MACHINE_PATH = re.compile(r"/(home|root|tmp|work|Users|var)/|[A-Z]:\\\\")

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def prose(path):
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def texts(output):
    yield output.get("text", "")
    yield from (text for mime, text in output.get("data", {}).items() if mime.startswith("text/"))


def test_it_is_a_valid_notebook_without_traces_of_a_machine(path):
    book = read(path)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    assert not any("execution" in cell.metadata for cell in book.cells), "timestamps in metadata"
    assert not any(MACHINE_PATH.search(text) for output in outputs(path) for text in texts(output))
    assert path.stat().st_size < MOST_BYTES


def test_outputs_come_from_one_clean_run(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert outputs(path), "a notebook without outputs would pass nbval unread"
    assert not any(output.output_type == "error" for output in outputs(path))
    assert not any("Warning" in output.get("text", "") for output in outputs(path) if output.get("name") == "stderr")
    assert not any("stand-in" in text for output in outputs(path) for text in texts(output)), (
        "outputs are not from MNIST"
    )


def test_it_is_a_lesson(path):
    headings = "\n".join(line for line in prose(path).splitlines() if line.startswith("#")).lower()
    assert all(section in headings or section in prose(path).lower()[:3000] for section in SECTIONS)
    assert re.match(r"# .*\?", prose(path)), "the title is a question"
    code_lines = sum(len(cell.source.splitlines()) for cell in code_cells(path))
    assert len(re.findall(r"\w+", prose(path))) >= FEWEST_WORDS_A_LINE * code_lines
    assert "arXiv:" in prose(path)


def test_headings_descend_one_level_at_a_time(path):
    without_code = re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", without_code, flags=re.MULTILINE)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_cells_are_short_and_plain(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= MOST_LINES
        assert not re.search(r"^\s*[!%]|sys\.path|import \*", cell.source, flags=re.MULTILINE)


def test_every_picture_has_a_text(path):
    pictures = [output for output in outputs(path) if "image/png" in output.get("data", {})]
    assert pictures
    for picture in pictures:
        assert len(picture.metadata["image/png"]["alt"].split()) >= 6
    assert not re.search(r"!\[\s*\]\(", prose(path))


def test_an_explorer_shows_its_picture_where_no_kernel_runs(path):
    explorers = [cell for cell in code_cells(path) if "explorer" in cell.metadata.get("tags", ())]
    kinds = [set(output.get("data", {})) for cell in explorers for output in cell.outputs]
    assert any("image/png" in kind for kind in kinds), "no explorer with its picture"


def test_no_widget_is_stored_but_what_stands_for_it(path):
    """A stored widget is dead without its kernel: `make course` leaves it, its state and progress bars out."""
    assert "widgets" not in read(path).metadata, "save without the state of widgets: in JupyterLab, menu Settings"
    assert not any(WIDGET in output.get("data", {}) for output in outputs(path)), (
        "python -m publishing.stored removes them"
    )


def test_predictions_are_stored_as_pages_that_need_no_kernel(path):
    asked = [cell for cell in code_cells(path) if "prediction" in cell.metadata.get("tags", ())]
    assert asked, "each notebook lets the learner predict"
    for cell in asked:
        pages = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
        assert len(pages) == 1 and "<details" in pages[0]


def test_at_least_three_exercises(path):
    code = "\n".join(cell.source for cell in code_cells(path))
    assert len(set(re.findall(r"(\w+)\.check\(", code))) >= 3
    assert len(re.findall(r"\.hint\(\)", code)) >= 3 and len(re.findall(r"\.solution\(\)", code)) >= 3
