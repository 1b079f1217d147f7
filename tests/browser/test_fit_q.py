"""Notebook 04's explorer in a real browser: every control, the handles by mouse and by keyboard, the optimiser."""

from collections.abc import Iterator

import pytest
from browser_lab import ExplorerOnPage
from gallery import Gallery

CHOICES = {"Target": ("banana", "two bumps"), "Optimiser lowers": ("KL(p ‖ q)",)}


@pytest.fixture
def fit_q(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The explorer at its start; whatever a test did, nothing may have failed."""
    explorer = gallery.restart("FitQ", "gap 3.83")
    yield explorer
    gallery.check(explorer)


@pytest.mark.parametrize("point", [0, 1, 2])
def test_each_handle_can_be_dragged(fit_q: ExplorerOnPage, point: int):
    before, status = fit_q.pixels(), fit_q.status()
    fit_q.drag(point, 40, -40)
    changed = fit_q.wait_for_change(before)
    fit_q.wait_until(lambda: fit_q.status() != status)
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
    fit_q.wait_until(lambda: fit_q.status() != status)


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
        fit_q.drag(point, right, down)
        fit_q.wait_for_change(before)
        assert "nats" in fit_q.status()
