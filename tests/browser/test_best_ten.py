"""The explorer of notebook 13 in a real browser: each slider to both ends, a click."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.best_ten import BestTen\n\nBestTen()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("best_ten", CELL)


@pytest.fixture
def ten(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("BALD's 10 hold")
    return explorer


@pytest.mark.parametrize("slider", [0, 1, 2], ids=["batch", "samples", "copies"])
def test_each_slider_changes_the_picture_up_to_its_ends(ten: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowLeft", "Home", "End"):
        before = ten.pixels()
        ten.slider(slider)
        ten.page.keyboard.press(key)
        if key != "End" or slider != 0:  # the first state has the largest batch
            ten.wait_for_change(before)
        assert "nats" in ten.status()
    assert notebook.errors() == []


def test_a_click_asks_about_an_image(ten: ExplorerOnPage):
    before = ten.pixels()
    ten.click_point(7)
    ten.wait_for_status("Image 8 alone would tell")
    after = ten.wait_for_change(before)
    ten.press_button("Undo")
    assert ten.wait_for_change(after) == before
