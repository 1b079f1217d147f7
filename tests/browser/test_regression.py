"""The first lesson's explorer in a real browser: every control, clicks, a drag, the keyboard, speed."""

import pytest
from browser_lab import NOTEBOOKS, ExplorerOnPage, Lab, NotebookPage
from latency import key_to_pixels, summary

NOTEBOOK = NOTEBOOKS / "01_mle_map_bayes_regression.ipynb"
SLIDERS = ("Readings", "Prior precision α", "Noise σ", "Features", "Curves drawn")


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """The notebook, run from top to bottom."""
    return lab.run_notebook(NOTEBOOK)


@pytest.fixture
def regression(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.page.mouse.move(2, 2)
    explorer.press_button("Reset")
    explorer.wait_for_status("20 readings. Log evidence with 8 features")
    explorer.page.wait_for_timeout(300)
    return explorer


@pytest.mark.parametrize("index", range(len(SLIDERS)), ids=SLIDERS)
def test_every_slider_moves_the_picture_from_end_to_end(regression: ExplorerOnPage, notebook: NotebookPage, index: int):
    before = regression.pixels()
    regression.slider(index)
    regression.page.keyboard.press("End")
    highest = regression.wait_for_change(before)
    regression.page.keyboard.press("Home")
    lowest = regression.wait_for_change(highest)
    assert len({before, highest, lowest}) == 3
    assert "Log evidence" in regression.status()
    assert notebook.errors() == []


def test_basis_and_most_likely_curve_change_the_picture(regression: ExplorerOnPage):
    before = regression.pixels()
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
    placed = regression.wait_for_change(before)
    regression.page.wait_for_timeout(300)
    regression.canvas.click(position=place, modifiers=["Shift"])
    regression.wait_for_status("20 readings.")
    assert regression.wait_for_change(placed) == before


def test_a_reading_is_dragged_and_undo_brings_it_back(regression: ExplorerOnPage):
    before = regression.pixels()
    start = next(target for target in regression.targets() if target["id"] == 7)
    box = regression.canvas.bounding_box()
    regression.page.mouse.move(box["x"] + start["x"], box["y"] + start["y"])
    regression.page.mouse.down()
    for step in range(1, 9):
        regression.page.mouse.move(box["x"] + start["x"] + 2 * step, box["y"] + start["y"] - 8 * step)
    regression.page.mouse.up()
    regression.page.wait_for_timeout(600)
    moved = next(target for target in regression.targets() if target["id"] == 7)
    assert moved["y"] == pytest.approx(start["y"] - 64, abs=4)
    after = regression.pixels()
    regression.press_button("Undo")
    assert regression.wait_for_change(after) == before


def test_a_reading_is_placed_and_removed_by_keys(regression: ExplorerOnPage):
    regression.canvas.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "Enter"):
        regression.page.keyboard.press(key)
    regression.wait_for_status("21 readings.")
    regression.page.keyboard.press("Shift+Enter")
    regression.wait_for_status("20 readings.")


def test_a_key_reaches_the_pixels_quickly(regression: ExplorerOnPage):
    for index in (0, 1):
        median, _ = summary(key_to_pixels(regression, slider=index, presses=20))
        # the target is 50 ms on an idle machine; three times that still tells the canvas from a redrawn figure
        assert median < 150, f"{SLIDERS[index]}: median {median:.0f} ms"
