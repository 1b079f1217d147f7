"""The explorer of notebook 09 in a real browser: each control, the star, and that a training is announced."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.posterior_maps import PosteriorMaps\n\nPosteriorMaps()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("posterior_maps", CELL)


@pytest.fixture
def maps(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("one network says")
    explorer.page.wait_for_timeout(1_000)  # a training that was still under way would change the picture later
    return explorer


@pytest.mark.parametrize("slider", range(5), ids=["samples", "points", "noise", "prior", "dropout"])
def test_each_slider_works_up_to_its_ends(maps: ExplorerOnPage, notebook: NotebookPage, slider: int):
    if slider == 4:  # only a network with dropout minds
        maps.box.get_by_label("Right", exact=True).select_option("MC-dropout")
        maps.wait_for_status("MC-dropout says")
    for key in ("Home", "End"):
        before = maps.pixels()
        maps.slider(slider)
        maps.page.keyboard.press(key)
        maps.wait_for_change(before, seconds=20)
    assert "At the star" in maps.status() and notebook.errors() == []


def test_another_method_and_another_map(maps: ExplorerOnPage):
    maps.box.get_by_label("Left", exact=True).select_option("deep ensemble")
    maps.wait_for_status("deep ensemble says")
    before = maps.pixels()
    maps.box.get_by_label("Map", exact=True).select_option("BALD")
    maps.wait_for_change(before)
    assert "BALD" in maps.status()


def test_a_click_moves_the_star_in_both_maps(maps: ExplorerOnPage):
    before, star = maps.pixels(), next(target for target in maps.targets() if target["id"] == 0)
    told = maps.status()
    maps.canvas.click(position={"x": star["x"] + 150, "y": star["y"] + 120})
    maps.wait_for_change(before)
    assert maps.status() != told
