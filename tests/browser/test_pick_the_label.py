"""The explorer of notebook 10 in a real browser: drags by hand and by keys, sliders to both ends, buttons."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.pick_the_label import PickTheLabel\n\nPickTheLabel()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("pick_the_label", CELL)


@pytest.fixture
def pick(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("A is bought by margin, vote entropy")
    return explorer


def drag(pick: ExplorerOnPage, point: int, to: int) -> None:
    """Drags one mark onto the place of another."""
    found = {target["id"]: target for target in pick.targets()}
    box = pick.canvas.bounding_box()
    start, end = found[point], found[to]
    pick.page.mouse.move(box["x"] + start["x"], box["y"] + start["y"])
    pick.page.mouse.down()
    for step in range(1, 11):
        x = start["x"] + (end["x"] - start["x"]) * step / 10
        pick.page.mouse.move(box["x"] + x, box["y"] + start["y"] + (end["y"] - start["y"]) * step / 10)
    pick.page.mouse.up()


def test_a_member_that_changes_its_mind_takes_the_disagreement_away(pick: ExplorerOnPage, notebook: NotebookPage):
    before = pick.pixels()
    drag(pick, point=1, to=0)  # the fox's only friend now says cat
    pick.wait_for_change(before)
    pick.wait_for_status("Cannot choose: vote entropy")
    pick.press_button("Undo")
    pick.wait_for_status("A is bought by margin, vote entropy")
    assert notebook.errors() == []


def test_a_member_is_moved_by_keys(pick: ExplorerOnPage):
    before = pick.pixels()
    pick.click_point(1)
    pick.canvas.focus()
    for _ in range(5):
        pick.page.keyboard.press("Shift+ArrowLeft")
    pick.wait_for_change(before)


@pytest.mark.parametrize("slider", [0, 1], ids=["members", "length"])
def test_each_slider_changes_the_picture_up_to_its_ends(pick: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowLeft", "Home", "End"):
        before = pick.pixels()
        pick.slider(slider)
        pick.page.keyboard.press(key)
        pick.wait_for_change(before)
    assert notebook.errors() == []


def test_uniting_both_leaves_the_committee_nothing_to_say(pick: ExplorerOnPage):
    for words in ("A: all agree on the mean", "B: all agree on the mean"):
        before = pick.pixels()
        pick.press_button(words)
        pick.wait_for_change(before)
    pick.wait_for_status("Cannot choose: vote entropy, BALD = mean KL, error reduction")
