"""The explorer of notebook 06 in a real browser: every control to its ends, the busy state, undo by reset."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.dropout_left_on import DropoutLeftOn\n\nDropoutLeftOn()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("dropout_left_on", CELL)


@pytest.fixture
def fan(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("T = 30")
    return explorer


@pytest.mark.parametrize("slider", [0, 1, 2], ids=["passes", "dropout", "gap"])
def test_each_slider_changes_the_picture_up_to_its_ends(fan: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowRight", "Home", "End"):
        before = fan.pixels()
        fan.slider(slider)
        fan.page.keyboard.press(key)
        fan.wait_for_change(before)
    fan.wait_for_status("cost")
    assert notebook.errors() == []


def test_one_pass_says_that_it_shows_no_spread(fan: ExplorerOnPage):
    fan.slider(0)
    fan.page.keyboard.press("Home")
    fan.wait_for_status("no spread")


def test_the_reference_can_be_hidden(fan: ExplorerOnPage):
    assert "Gaussian process" in fan.status()
    before = fan.pixels()
    fan.page.get_by_label("Show the Gaussian process").click()
    fan.wait_for_change(before)
    assert "Gaussian process" not in fan.status()
