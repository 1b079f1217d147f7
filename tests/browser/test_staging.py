"""Chips, play, lecture, contrast, sizes for hand and finger: what all explorers have around their picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_lab import ExplorerOnPage, Lab
from page_lab import WavePage
from stage_lab import DOTS, HISTORY, Walk

from bal_scenes.page import write_page

CELL = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from stage_lab import Walk
walk = Walk()
walk
"""
FIELDS = {"day": range(9), "width": [0.3, 0.7], "flat": [False, True]}
COLOURS = """(canvas, { x, y, reach }) => {
  const ratio = canvas.width / canvas.clientWidth, n = Math.round(2 * reach * ratio);
  const at = [x - reach, y - reach].map((v) => Math.round(v * ratio));
  return [...canvas.getContext('2d').getImageData(...at, n, n).data];
}"""


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Any:
    """A notebook with the explorer, run."""
    return lab.run_cells("walk", CELL)


@pytest.fixture
def walk(notebook: Any) -> ExplorerOnPage:
    """The explorer in the notebook, at its first state."""
    notebook.page.mouse.move(2, 2)
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("Day 0, shift 0.0, width 0.7, chosen None")
    return explorer


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same explorer as a page of stored scenes."""
    return write_page(Walk(), tmp_path_factory.mktemp("page") / "walk.html", fields=FIELDS, title="A walk").as_uri()


@pytest.fixture
def stored(lab: Lab, address: str) -> Iterator[ExplorerOnPage]:
    """The stored page, open."""
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    WavePage(page)
    yield OnPage(page)
    page.close()


# how long the picture of a moment is left before the next is asked for, in milliseconds
PAUSES = """() => {
  window.pauses = [];
  window.originalTimeout ??= window.setTimeout;
  window.setTimeout = (act, ms, ...rest) => {
    if (String(act).includes("this.moment + 1")) window.pauses.push(ms);
    return window.originalTimeout(act, ms, ...rest);
  };
}"""


class OnPage(ExplorerOnPage):
    """The explorer of a stored page."""

    def __init__(self, page: Any) -> None:
        self.page, self.box = page, page.locator("main")
        self.canvas = self.box.locator("canvas.bal-picture")


@pytest.fixture(params=["notebook", "stored page"])
def either(request: pytest.FixtureRequest) -> ExplorerOnPage:
    """The explorer with Python, and without."""
    return request.getfixturevalue("walk" if request.param == "notebook" else "stored")


def test_a_chip_goes_to_its_scene_and_undo_back_by_keyboard(either: ExplorerOnPage):
    chip = either.box.get_by_role("button", name="What does a narrow hill do?")
    chip.focus()
    either.page.keyboard.press("Enter")
    either.wait_for_status("Day 2, shift 0.0, width 0.3")
    either.wait_until(lambda: chip.get_attribute("aria-pressed") == "true", 5)
    assert either.page.evaluate("document.activeElement.textContent") == "What does a narrow hill do?"
    either.press_button("Undo")
    either.wait_for_status("Day 0, shift 0.0, width 0.7")
    either.wait_until(lambda: chip.get_attribute("aria-pressed") == "false", 5)


def test_space_plays_every_day_in_turn_and_pauses(either: ExplorerOnPage):
    either.box.evaluate(HISTORY)
    either.canvas.focus()
    either.page.keyboard.press("Space")
    either.wait_for_status("Day 3")
    either.page.keyboard.press("Space")
    either.page.wait_for_timeout(700)
    paused = either.status()
    assert "Day 8" not in paused
    either.page.wait_for_timeout(700)
    assert either.status() == paused
    either.box.get_by_role("button", name="Play").click()
    either.wait_for_status("Day 8")
    days = [int(words.removeprefix("Day ").split(",")[0]) for words in either.page.evaluate("window.seen")]
    assert days == list(range(9)), "no moment is left out, none is shown twice"
    either.wait_until(lambda: either.box.get_by_role("button", name="Play").is_visible(), 5)


def test_four_times_as_fast(either: ExplorerOnPage):
    def longest_pause() -> float:
        either.page.evaluate(PAUSES)
        either.box.get_by_role("button", name="Play").click()
        either.wait_for_status("Day 8", 60)
        return max(either.page.evaluate("window.pauses"))

    speed = either.box.get_by_role("button", name="Speed")
    if speed.get_attribute("aria-label") == "Speed 4×":  # where this test is tried again
        speed.click()
    slow = longest_pause()
    either.box.get_by_role("button", name="Speed 1×").click()
    assert longest_pause() <= 50 < slow <= 200, "milliseconds between two days, of 200 at the first speed"
    either.box.get_by_role("button", name="Speed 4×").click()


def test_the_scrubber_goes_anywhere_by_key(either: ExplorerOnPage):
    scrubber = either.box.get_by_role("slider", name="day")
    scrubber.focus()
    either.page.keyboard.press("End")
    either.wait_for_status("Day 8")
    either.page.keyboard.press("ArrowLeft")
    either.wait_for_status("Day 7")
    either.wait_until(lambda: scrubber.get_attribute("aria-valuetext") == "7", 5)


def test_without_motion_a_day_changes_in_one_picture(lab: Lab, address: str):
    drawn = {}
    for choice in ("no-preference", "reduce"):
        page = lab.browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion=choice)
        page.goto(address)
        stored = WavePage(page)
        before = int(stored.canvas.get_attribute("data-drawn"))
        page.get_by_role("slider", name="day").press("ArrowRight")
        page.wait_for_timeout(600)
        drawn[choice] = int(stored.canvas.get_attribute("data-drawn")) - before
        assert stored.status().startswith("Day 1")
        page.close()
    assert drawn["reduce"] == 1 < 3 < drawn["no-preference"]


def test_the_lecture_fills_the_screen_with_larger_letters_and_escape_leaves_it(either: ExplorerOnPage):
    either.page.set_viewport_size({"width": 1920, "height": 1080})
    either.page.wait_for_timeout(300)
    box = either.box.locator(".bal-canvas")
    before = box.bounding_box()
    either.box.get_by_role("button", name="Full screen").click()
    either.page.wait_for_timeout(600)
    large, canvas = box.bounding_box(), either.canvas.bounding_box()
    assert large["width"] >= 1900 and large["height"] == 1080 and not either.box.locator(".bal-presets").is_visible()
    assert canvas["height"] > 800 and canvas["height"] / 480 > 1.6, (
        "letters grow with the picture, 14 pixels to 24 or more"
    )
    assert float(either.box.locator(".bal-status").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 24
    status = either.box.locator(".bal-status").bounding_box()
    assert status["y"] + status["height"] <= 1080
    either.page.keyboard.press("ArrowRight")
    either.wait_for_status("Day 1")
    either.page.keyboard.press("Space")
    either.wait_for_status("Day 3")
    either.page.keyboard.press("Escape")
    either.page.wait_for_timeout(600)
    assert either.box.locator(".bal-lecture").count() == 0
    assert box.bounding_box()["width"] == before["width"]
    either.page.set_viewport_size({"width": 1280, "height": 1100})


def test_few_controls_stand_first_and_more_opens_the_rest(walk: ExplorerOnPage):
    buttons = walk.box.locator(".bal-controls button").all_inner_texts()
    assert buttons[0] == "Step"
    sliders = walk.box.locator(".widget-hslider")
    assert [sliders.nth(i).is_visible() for i in range(sliders.count())] == [True, False], "the scrubber moves the day"
    walk.box.get_by_role("button", name="More").click()
    assert walk.box.get_by_label("Flat").is_visible()
    walk.box.get_by_label("Flat").click()
    walk.wait_until(lambda: walk.page.evaluate("() => true"))
    walk.box.get_by_label("Flat").click()


def test_numbers_beside_sliders_have_minus_signs_and_can_be_typed_with_a_hyphen(walk: ExplorerOnPage):
    if not walk.box.get_by_label("Flat").is_visible():
        walk.box.get_by_role("button", name="More").click()
    handle = walk.box.locator(".noUi-handle").nth(1)
    handle.focus()
    walk.page.keyboard.press("Home")
    walk.wait_for_status("shift −1.0")
    readout = walk.box.locator(".widget-readout").nth(1)
    walk.wait_until(lambda: readout.inner_text() == "−1.0", 5)
    for typed in ("-0.5", "−0.3"):
        readout.focus()
        walk.page.keyboard.press("Control+A")
        walk.page.keyboard.type(typed)
        walk.page.keyboard.press("Enter")
        walk.wait_for_status(f"shift {typed.replace('-', '−')}")


def test_the_hand_is_told_first(walk: ExplorerOnPage):
    assert walk.box.locator(".bal-hint").inner_text().startswith("click a point · arrow keys: move")


def test_nothing_moves_when_numbers_change_or_a_chip_is_chosen(either: ExplorerOnPage):
    def places() -> list:
        return [either.box.locator(part).first.bounding_box() for part in ("canvas", ".bal-status", ".bal-hint")]

    before = places()
    either.box.get_by_role("button", name="How far does it get?").click()
    either.wait_for_status("Day 8")
    assert places() == before
    either.press_button("Undo")


def luminance(colours: np.ndarray) -> np.ndarray:
    """The relative luminance of red, green and blue from 0 to 255 (WCAG 2)."""
    parts = colours / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def steepest(explorer: ExplorerOnPage, x: float, y: float, reach: float) -> float:
    """The highest contrast between pixels of the canvas at most two apart, around a place."""
    data = np.array(explorer.canvas.evaluate(COLOURS, {"x": x, "y": y, "reach": reach}), dtype=float)
    side = int(np.sqrt(len(data) / 4))
    light = luminance(data.reshape(side, side, 4)[:, :, :3]) + 0.05
    pairs = [(light[:, 2:], light[:, :-2]), (light[2:], light[:-2])]
    return max(float(np.maximum(a / b, b / a).max()) for a, b in pairs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_boundary_rings_and_marks_stand_out_from_the_map(lab: Lab, address: str, scheme: str):
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(address)
    WavePage(page)
    explorer = OnPage(page)
    page.get_by_role("slider", name="day").press("End")
    explorer.wait_for_status("Day 8")
    page.wait_for_timeout(400)
    assert len(explorer.targets()) == 16
    for target in explorer.targets():
        assert steepest(explorer, target["x"], target["y"], target["w"] / 2 + 5) >= 3, target
    middle = explorer.place(3)
    dot, unit = DOTS[3], (explorer.place(4)["x"] - middle["x"]) / (DOTS[4, 0] - DOTS[3, 0])
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):  # the boundary: a circle around the hill
        radius = 0.7 * np.sqrt(np.log(2))
        x, y = 1.3 + radius * np.cos(angle), radius * np.sin(angle)
        place = middle["x"] + (x - dot[0]) * unit, middle["y"] - (y - dot[1]) * unit
        assert steepest(explorer, *place, 6) >= 3, angle
    page.close()


def test_a_finger_hits_what_is_within_22_pixels_and_a_mouse_what_is_within_12(lab: Lab, walk: ExplorerOnPage):
    target = next(one for one in walk.targets() if one["id"] == 7)
    reach = """(canvas, [x, y, pointerType]) => {
      const box = canvas.getBoundingClientRect();
      for (const kind of ['pointerdown', 'pointerup']) canvas.dispatchEvent(new PointerEvent(kind, {
        pointerType, clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerId: 1 }));
    }"""
    for pointer, near, told in (("mouse", 11, "chosen 7"), ("mouse", 14, "chosen None"), ("touch", 21, "chosen 7")):
        walk.canvas.evaluate(reach, [target["x"] - near, target["y"], pointer])
        walk.wait_for_status(told)
    walk.press_button("Undo")
