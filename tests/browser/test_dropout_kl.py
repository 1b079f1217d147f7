"""The explorer of notebook 05 in a real browser: each slider to both ends, clicks into both panels, a drag."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.dropout_kl import DropoutKL\n\nDropoutKL()"
START = "|m| = 0.2, that is 2.0 σ"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("dropout_kl", CELL)


@pytest.fixture
def explorer(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    found = notebook.explorer()
    found.press_button("Reset")
    found.wait_for_status(START)
    return found


@pytest.mark.parametrize("slider", range(4), ids=["drop", "std", "dims", "size"])
def test_each_slider_changes_the_picture_up_to_its_ends(explorer: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowRight", "Home", "End"):
        before = explorer.pixels()
        explorer.slider(slider)
        explorer.page.keyboard.press(key)
        explorer.wait_for_change(before)
        assert explorer.status().startswith("|m| = ")
    assert notebook.errors() == []


@pytest.mark.parametrize("star", [0, 1], ids=["length", "dimension"])
def test_a_click_beside_a_star_moves_it_there(explorer: ExplorerOnPage, star: int):
    before = explorer.pixels()
    place = next(target for target in explorer.targets() if target["id"] == star)
    explorer.canvas.click(position={"x": place["x"] + 60, "y": place["y"] + 20})
    after = explorer.wait_for_change(before)
    assert not explorer.status().startswith(START)
    explorer.press_button("Undo")
    explorer.wait_for_status(START)
    assert explorer.wait_for_change(after) != after


def test_the_star_is_dragged_to_a_longer_row(explorer: ExplorerOnPage):
    star = next(target for target in explorer.targets() if target["id"] == 0)
    box = explorer.canvas.bounding_box()
    explorer.page.mouse.move(box["x"] + star["x"], box["y"] + star["y"])
    explorer.page.mouse.down()
    for step in range(1, 6):
        explorer.page.mouse.move(box["x"] + star["x"] + 20 * step, box["y"] + star["y"])
    explorer.page.mouse.up()
    for _ in range(50):  # a loaded machine answers late
        explorer.page.wait_for_timeout(100)
        if not explorer.status().startswith(START):
            break
    assert float(explorer.status().split("|m| = ")[1].split(",")[0]) > 0.25
