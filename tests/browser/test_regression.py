"""The first lesson in a real browser, run from top to bottom; its explorer: menus, clicks, a drag, the keyboard."""

from collections.abc import Iterator

import pytest
from browser_lab import NOTEBOOKS, ExplorerOnPage, Lab
from gallery import Gallery


@pytest.fixture
def regression(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The explorer at its start; whatever a test did, nothing may have failed."""
    explorer = gallery.restart("Regression", "20 readings. Log evidence with 8 features")
    yield explorer
    gallery.check(explorer)


def test_the_lesson_runs_from_top_to_bottom(lab: Lab):
    notebook = lab.run_notebook(NOTEBOOKS / "01_mle_map_bayes_regression.ipynb")
    notebook.explorer().wait_for_status("20 readings. Log evidence with 8 features")
    notebook.page.close()


def test_basis_and_most_likely_curve_change_the_picture(regression: ExplorerOnPage):
    before = regression.pixels()
    regression.open_more()
    regression.box.locator("select").select_option("polynomial")
    polynomial = regression.wait_for_change(before)
    regression.box.locator("input[type=checkbox]").check()
    with_curve = regression.wait_for_change(polynomial)
    regression.press_button("Draw again")
    regression.wait_for_change(with_curve)


def place_of(regression: ExplorerOnPage, across: float, up: float) -> dict[str, float]:
    """A place in the plane of the readings, as fractions of the way between the first and the last reading's pixels."""
    targets = regression.targets()
    x = [target["x"] for target in targets]
    y = [target["y"] for target in targets]
    return {"x": min(x) + across * (max(x) - min(x)), "y": max(y) - up * (max(y) - min(y))}


def test_a_click_places_a_reading_and_shift_click_takes_it_away(regression: ExplorerOnPage):
    before = regression.pixels()
    place = place_of(regression, 0.62, 1.2)  # in the gap, above all readings
    regression.canvas.click(position=place)
    regression.wait_for_status("21 readings.")
    regression.wait_for_change(before)
    regression.canvas.click(position=place, modifiers=["Shift"])
    regression.wait_for_status("20 readings.")
    regression.wait_until(lambda: regression.pixels() == before)


def test_a_reading_is_dragged_and_undo_brings_it_back(regression: ExplorerOnPage):
    before = regression.pixels()
    start = regression.place(7)
    regression.drag(7, right=16, down=-64)
    regression.wait_until(lambda: regression.place(7)["y"] == pytest.approx(start["y"] - 64, abs=4))
    regression.press_button("Undo")
    regression.wait_until(lambda: regression.pixels() == before)


def test_a_reading_is_placed_and_removed_by_keys(regression: ExplorerOnPage):
    regression.canvas.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "Enter"):
        regression.page.keyboard.press(key)
    regression.wait_for_status("21 readings.")
    regression.page.keyboard.press("Shift+Enter")
    regression.wait_for_status("20 readings.")
