"""The explorer of notebook 03 in a real browser: each slider to both ends, a click, a drag."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.three_kinds import ThreeKinds\n\nThreeKinds()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("three_kinds", CELL)


@pytest.fixture
def lake(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("At 7.0 km")
    return explorer


@pytest.mark.parametrize("slider", [0, 1, 2], ids=["noise", "soundings", "place"])
def test_each_slider_changes_the_picture_up_to_its_ends(lake: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowRight", "Home", "End"):
        before = lake.pixels()
        lake.slider(slider)
        lake.page.keyboard.press(key)
        lake.wait_for_change(before)
        assert lake.status().startswith("At ")
    assert notebook.errors() == []


def test_a_click_asks_about_that_place(lake: ExplorerOnPage):
    before = lake.pixels()
    star = next(target for target in lake.targets() if target["id"] == 0)
    lake.canvas.click(position={"x": star["x"] + 100, "y": star["y"] - 40})
    after = lake.wait_for_change(before)
    assert not lake.status().startswith("At 7.0 km")
    lake.press_button("Undo")
    lake.wait_for_status("At 7.0 km")
    assert lake.wait_for_change(after) != after


def test_the_star_is_dragged_along_the_lake(lake: ExplorerOnPage):
    star = next(target for target in lake.targets() if target["id"] == 0)
    box = lake.canvas.bounding_box()
    lake.page.mouse.move(box["x"] + star["x"], box["y"] + star["y"])
    lake.page.mouse.down()
    for step in range(1, 11):
        lake.page.mouse.move(box["x"] + star["x"] - 10 * step, box["y"] + star["y"])
    lake.page.mouse.up()
    # 45 pixels are 1 km, so the star comes to 4.8 km, give or take one of the ten moves
    wanted = tuple(f"At {place / 10} km" for place in range(46, 51))
    for _ in range(50):  # a loaded machine answers late
        lake.page.wait_for_timeout(100)
        if lake.status().startswith(wanted):
            break
    assert lake.status().startswith(wanted)
