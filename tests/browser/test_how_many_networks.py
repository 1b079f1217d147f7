"""The explorer of notebook 07 in a real browser: each slider to both ends, a click on the picture of the coverage."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.how_many_networks import HowManyNetworks\n\nHowManyNetworks()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("how_many_networks", CELL)


@pytest.fixture
def committee(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("5 networks:")
    return explorer


@pytest.mark.parametrize("slider", [0, 1, 2], ids=["members", "scale", "seed"])
def test_each_slider_changes_the_picture_up_to_its_ends(committee: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowRight", "End", "ArrowLeft"):
        before = committee.pixels()
        committee.slider(slider)
        committee.page.keyboard.press(key)
        committee.wait_for_change(before)
        assert "This did not work" not in committee.status()
    assert notebook.errors() == []


def test_a_click_on_the_coverage_chooses_the_number_of_networks(committee: ExplorerOnPage):
    box = committee.canvas.bounding_box()
    before = committee.pixels()
    committee.canvas.click(position={"x": 0.965 * box["width"], "y": 0.5 * box["height"]})
    after = committee.wait_for_change(before)
    assert committee.status().startswith(("18 networks:", "19 networks:", "20 networks:"))
    committee.press_button("Undo")
    committee.wait_for_status("5 networks:")
    assert committee.wait_for_change(after) != after
