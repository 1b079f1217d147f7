"""A prediction in JupyterLab, before a run and after it: pressed by keyboard, and the answer that unfolds below."""

import nbformat
import pytest
from browser_lab import Lab

ASK = """from bal_course.exercises.core import Exercise, Mistake
Exercise(title="T", question="Which?", choices={"A": "A, the dock", "B": "B, the bay"}, answer="B", explanation="So few.",
    hints=("Look.",), mistakes=(Mistake("A", "So many."),)).ask()"""
PAGE = "<div><p>Which?</p><details><summary>A, the dock</summary><p>So many.</p></details></div>"


def cell(source, tags=(), outputs=(), **folded):
    metadata = {"tags": list(tags), "jupyter": folded}
    return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=list(outputs), execution_count=1)


@pytest.fixture(scope="module")
def stored(lab: Lab) -> str:
    """A notebook as the course stores it: the page instead of the widget, the answers folded."""
    page = nbformat.v4.new_output("display_data", {"text/html": PAGE, "text/plain": "Which?"})
    printed = [
        nbformat.v4.new_output("stream", name="stdout", text=f" \n{words}\n") for words in ("first", "second", "last")
    ]
    cells = [
        cell(ASK, ["prediction"], [page], source_hidden=True),
        nbformat.v4.new_markdown_cell("Here it comes."),
        cell("print('first answer')", ["answer"], printed[:1], outputs_hidden=True),
        cell("print('second answer')", ["answer"], printed[1:2], outputs_hidden=True),
        cell(ASK, ["prediction"], [page]),
        cell("print('last answer')", ["answer"], printed[2:], outputs_hidden=True),
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, lab.folder / "predictions.ipynb")
    return "predictions.ipynb"


def test_it_is_a_page_before_a_run_and_buttons_after_it(lab: Lab, stored: str):
    notebook = lab.open(stored)
    page, folded = notebook.page, notebook.page.locator(".jp-OutputPlaceholder")
    told = page.locator("details").first.get_by_text("So many.")
    assert not told.is_visible() and folded.count() == 3 and page.locator(".bal-buttons").count() == 0
    page.locator("summary").first.click()
    told.wait_for(state="visible")

    notebook.run_all()
    page.locator(".bal-buttons").nth(1).wait_for()
    page.wait_for_function("() => document.querySelectorAll('.jp-OutputPlaceholder').length === 3")
    assert not page.get_by_text("first answer", exact=True).is_visible(), "its first line stands beside the dots"

    first = page.locator(".bal-buttons").first
    first.get_by_role("button", name="A, the dock").focus()
    page.keyboard.press("Enter")
    first.get_by_text("✗ Not yet. So many.").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.jp-OutputPlaceholder').length === 1")
    assert page.get_by_text("second answer", exact=True).is_visible(), "the next prediction keeps its own"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    first.get_by_text("✓ Right. So few.").wait_for()
    assert first.get_by_role("button", pressed=True).inner_text() == "B, the bay"
