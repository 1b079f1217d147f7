"""The star in a real browser: dragged by mouse and by keys, sliders to their ends, the other map, other patients."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage
from latency import key_to_pixels, summary

SLIDERS = ("Prior width 1/√α", "Lines drawn", "Patients in each group", "Distance of the groups")


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook that holds the explorer alone."""
    return lab.run_cells("star", "from bal_course.explorers.star import TheStar\n\nTheStar()")


@pytest.fixture
def star(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer as it starts."""
    found = notebook.explorer_with_button("Other patients")
    found.press_button("Reset")
    found.wait_for_status("0.995")
    return found


def test_the_mouse_drags_the_star_to_the_patients(star: ExplorerOnPage):
    before, box = star.pixels(), star.canvas.bounding_box()
    target = next(one for one in star.targets() if one["id"] == 0)
    x, y = box["x"] + target["x"], box["y"] + target["y"]
    mouse = star.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 10, y + 60, steps=4)
    mouse.move(x + 20, y + 0.51 * box["height"] * 0.8, steps=8)
    mouse.up()
    star.wait_for_status("nearly agree")
    assert star.wait_for_change(before) != before
    star.press_button("Undo")
    star.wait_for_status("0.995")


def test_the_keys_drag_the_star(star: ExplorerOnPage):
    before = star.pixels()
    star.canvas.focus()
    for _ in range(4):
        star.page.keyboard.press("Shift+ArrowLeft")
    assert star.wait_for_change(before) != before
    star.page.wait_for_timeout(300)
    assert "0.995" not in star.status()
    assert star.box.locator(".bal-failed").count() == 0


@pytest.mark.parametrize("index", range(len(SLIDERS)), ids=SLIDERS)
@pytest.mark.parametrize("key", ["Home", "End"])
def test_sliders_reach_their_ends(star: ExplorerOnPage, index: int, key: str):
    before = star.pixels()
    star.slider(index)
    star.page.keyboard.press(key)
    star.wait_for_change(before)
    star.wait_for_status("The best line says")
    assert star.box.locator(".bal-failed").count() == 0


def test_the_other_map_and_other_patients(star: ExplorerOnPage):
    before = star.pixels()
    star.box.locator("select").select_option("one best line")
    other = star.wait_for_change(before)
    star.press_button("Other patients")
    star.wait_for_change(other)
    assert star.box.locator(".bal-failed").count() == 0


def test_it_answers_while_the_hand_is_on_the_slider(star: ExplorerOnPage):
    median, _ = summary(key_to_pixels(star, slider=0, presses=12))
    assert median < 250  # 50 ms on an idle machine; a busy one may take longer
