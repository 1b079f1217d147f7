"""Notebook 04's explorer in a real browser: every control, the handles by mouse and by keyboard, the optimiser."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage
from latency import key_to_pixels

CHOICES = {"Target": ("banana", "two bumps"), "Optimiser lowers": ("KL(p ‖ q)",)}


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook that holds the explorer and nothing else."""
    return lab.run_cells("fit_q", "from bal_course.explorers.fit_q import FitQ\nFitQ()")


@pytest.fixture
def fit_q(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer at its start; afterwards no error may stand in the page."""
    found = notebook.explorer_with_button("10 steps")
    found.press_button("Reset")
    found.wait_for_status("gap 3.83")
    yield found
    assert notebook.errors() == []
    assert "This did not work" not in found.status()


def drag(explorer: ExplorerOnPage, point: int, right: float, down: float) -> None:
    target = next(target for target in explorer.targets() if target["id"] == point)
    box = explorer.canvas.bounding_box()
    mouse, x, y = explorer.page.mouse, box["x"] + target["x"], box["y"] + target["y"]
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + right / 2, y + down / 2)
    mouse.move(x + right, y + down)
    mouse.up()


@pytest.mark.parametrize("point", [0, 1, 2])
def test_each_handle_can_be_dragged(fit_q: ExplorerOnPage, point: int):
    before, status = fit_q.pixels(), fit_q.status()
    drag(fit_q, point, 40, -40)
    changed = fit_q.wait_for_change(before)
    fit_q.page.wait_for_timeout(300)
    assert fit_q.status() != status
    fit_q.press_button("Undo")
    fit_q.wait_for_change(changed)
    fit_q.wait_for_status("gap 3.83")


def test_handles_move_without_a_mouse(fit_q: ExplorerOnPage):
    fit_q.canvas.focus()
    fit_q.page.keyboard.press("ArrowRight")  # from handle to handle
    status = fit_q.status()
    for key in ("Shift+ArrowDown", "Shift+ArrowRight"):
        before = fit_q.pixels()
        fit_q.page.keyboard.press(key)
        fit_q.wait_for_change(before)
    fit_q.page.wait_for_timeout(300)
    assert fit_q.status() != status


def test_steps_close_the_gap_and_mean_field_leaves_one(fit_q: ExplorerOnPage):
    before = fit_q.pixels()
    fit_q.press_button("Step")
    fit_q.wait_for_change(before)
    for _ in range(3):
        fit_q.press_button("10 steps")
    fit_q.wait_for_status("gap 0.00")
    fit_q.wait_for_status("The optimiser stops here")
    fit_q.box.get_by_role("checkbox").check()
    for _ in range(10):
        fit_q.press_button("10 steps")
        fit_q.page.wait_for_timeout(100)
    fit_q.wait_for_status("gap 0.83")
    fit_q.box.get_by_role("checkbox").uncheck()


@pytest.mark.parametrize("label", CHOICES)
def test_each_choice_changes_the_picture(fit_q: ExplorerOnPage, label: str):
    for option in CHOICES[label]:
        before = fit_q.pixels()
        fit_q.box.get_by_label(label, exact=True).select_option(label=option)
        fit_q.wait_for_change(before)


def test_an_axis_dragged_into_the_mean_or_out_of_the_picture_still_draws(fit_q: ExplorerOnPage):
    for point, right, down in ((1, -200, 0), (2, 0, -600), (0, -900, 900)):
        before = fit_q.pixels()
        drag(fit_q, point, right, down)
        fit_q.wait_for_change(before)
        assert "nats" in fit_q.status()


def test_a_key_press_is_answered_while_the_hand_is_still_there(fit_q: ExplorerOnPage):
    took = key_to_pixels(fit_q, slider=None, presses=10)
    assert min(took) < 100, f"milliseconds: {took}"  # the quickest: others may share this machine
