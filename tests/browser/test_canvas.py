"""The canvas in a real browser: keys, clicks, drags, busy and error sentences, speed."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage, write_notebook

EXPLORER = """
import time
from dataclasses import dataclass, replace

import numpy as np

from bal_scenes.base import Button, Explorer, IntSlider, Slider
from bal_scenes.scene import contour, grid, heat, panel, points, scene

PLANE = {"x": (-2, 2), "y": (-2, 2)}
PLACES = np.array([[-1.0, -1.0], [0.0, 1.0], [1.0, -1.0], [1.5, 1.5]])

@dataclass(frozen=True, kw_only=True)
class WaveState:
    pitch: float = 1.0
    delay: int = 0
    chosen: tuple[int, ...] = ()
    star: tuple[float, float] = (0.0, 0.0)
    seen: int | None = None
    pressed: str = ""

class Wave(Explorer):
    State = WaveState
    controls = (
        Slider("pitch", label="Pitch", low=0.5, high=3.0, step=0.1),
        IntSlider("delay", label="Delay", low=0, high=3),
        Button("fail", label="Fail"),
        Button("crash", label="Crash"),
    )
    slow_fields = frozenset({"delay"})
    keys = ("7",)

    def compute(self, state):
        time.sleep(0.5 * state.delay)
        g = grid(**PLANE, columns=60)
        values = (np.sin(state.pitch * g[:, 0]) * np.cos(state.pitch * g[:, 1])).reshape(60, 60)
        marks = [
            points(*PLACES.T, ids=range(4), size=12, names=[f"dot {i}" for i in range(4)]),
            points(*PLACES[list(state.chosen)].T, shape="ring", size=26, colour="vermillion"),
            points([state.star[0]], [state.star[1]], shape="star", size=20, ids=[9], drag=True, colour="orange"),
        ]
        plane = panel(heat(values, **PLANE, bar="height"), contour(values, 0, **PLANE, colour="black"), *marks, **PLANE)
        said = f"chosen {list(state.chosen)} star {state.star} seen {state.seen} pressed {state.pressed!r}"
        return scene(plane, alt="Waves as a heat map with four dots and a star", status=said, width=560, height=420)

    def on_click(self, state, event):
        return replace(state, chosen=(*state.chosen, event.point)) if event.point in range(4) else state

    def on_drag(self, state, event):
        return replace(state, star=(round(event.x, 2), round(event.y, 2)))

    def on_hover(self, state, event):
        return replace(state, seen=event.point)

    def on_key(self, state, event):
        return replace(state, pressed=event.key)

    def fail(self, state):
        raise ValueError("This button always refuses.")

    def crash(self, state):
        return 1 / 0

wave = Wave()
wave
"""


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """The notebook, run."""
    write_notebook(lab.folder / "waves.ipynb", EXPLORER)
    opened = lab.open("waves.ipynb")
    opened.run_all()
    assert opened.errors() == []
    return opened


@pytest.fixture
def wave(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state, with the pointer away from it."""
    explorer = notebook.explorer()
    explorer.page.mouse.move(2, 2)
    explorer.press_button("Reset")
    explorer.wait_for_status("chosen [] star (0.0, 0.0)")
    return explorer


def test_keys_on_a_slider_change_the_picture(wave: ExplorerOnPage):
    before = wave.pixels()
    wave.slider()
    wave.page.keyboard.press("ArrowRight")
    after = wave.wait_for_change(before)
    wave.page.keyboard.press("ArrowLeft")
    assert wave.wait_for_change(after) == before, "the same state must give the same picture"


def test_a_click_on_a_point_reaches_the_state(wave: ExplorerOnPage):
    before = wave.pixels()
    wave.click_point(2)
    wave.wait_for_status("chosen [2]")
    assert wave.pixels() != before
    wave.press_button("Undo")
    wave.wait_for_status("chosen []")


def test_points_are_chosen_with_the_keyboard(wave: ExplorerOnPage):
    wave.slider(1)
    for _ in range(6):  # past the second slider's readout and the buttons
        wave.page.keyboard.press("Tab")
        if wave.canvas.evaluate("canvas => canvas === document.activeElement"):
            break
    unfocused = wave.pixels()
    wave.page.keyboard.press("ArrowRight")
    assert wave.wait_for_change(unfocused), "the focused point must be seen"
    wave.page.keyboard.press("Enter")
    wave.page.wait_for_timeout(500)
    first = wave.status()
    assert "chosen [" in first and "chosen []" not in first
    assert wave.box.locator(".bal-said").inner_text().startswith("dot")


def test_a_drag_moves_the_star_and_is_one_step_of_undo(wave: ExplorerOnPage):
    star = next(target for target in wave.targets() if target["id"] == 9)
    box = wave.canvas.bounding_box()
    wave.page.mouse.move(box["x"] + star["x"], box["y"] + star["y"])
    wave.page.mouse.down()
    for step in range(1, 11):
        wave.page.mouse.move(box["x"] + star["x"] + 8 * step, box["y"] + star["y"] - 3 * step)
    wave.page.mouse.up()
    wave.page.wait_for_timeout(800)
    moved = next(target for target in wave.targets() if target["id"] == 9)
    assert moved["x"] == pytest.approx(star["x"] + 80, abs=3)
    assert moved["y"] == pytest.approx(star["y"] - 30, abs=3)
    wave.press_button("Undo")
    wave.wait_for_status("star (0.0, 0.0)")


def test_shift_and_arrows_drag_without_a_pointer(wave: ExplorerOnPage):
    wave.click_point(9)  # leaves the cursor on the star
    wave.page.keyboard.press("Shift+ArrowRight")
    wave.page.wait_for_timeout(500)
    assert "star (0.0, 0.0)" not in wave.status()


def test_hover_and_keys_are_reported(wave: ExplorerOnPage):
    dot = next(target for target in wave.targets() if target["id"] == 1)
    wave.canvas.hover(position={"x": dot["x"], "y": dot["y"]})
    wave.wait_for_status("seen 1")
    wave.canvas.focus()
    wave.page.keyboard.press("7")
    wave.wait_for_status("pressed '7'")


def test_errors_are_sentences_and_the_picture_stays(wave: ExplorerOnPage, notebook: NotebookPage):
    before = wave.pixels()
    wave.press_button("Fail")
    wave.wait_for_status("This button always refuses.")
    wave.press_button("Crash")
    wave.wait_for_status("ZeroDivisionError")
    assert wave.pixels() == before
    assert notebook.errors() == []


def test_busy_is_visible_before_a_slow_picture(wave: ExplorerOnPage):
    wave.slider(1)
    wave.page.keyboard.press("ArrowRight")
    wave.wait_for_status("computing")
    wave.wait_for_status("chosen []")


def test_the_picture_fits_a_narrow_window_and_a_fine_screen(lab: Lab, notebook: NotebookPage):
    wave = notebook.explorer()
    wave.page.set_viewport_size({"width": 620, "height": 900})
    wave.page.wait_for_timeout(800)
    width, room = wave.canvas.evaluate("canvas => [canvas.clientWidth, canvas.parentElement.clientWidth]")
    assert 100 < width <= room
    wave.page.evaluate("() => Object.defineProperty(window, 'devicePixelRatio', { value: 2, configurable: true })")
    wave.page.set_viewport_size({"width": 640, "height": 900})
    wave.page.wait_for_timeout(800)
    assert wave.canvas.evaluate("canvas => canvas.width / canvas.clientWidth") == pytest.approx(2, rel=0.01)
    wave.page.evaluate("() => { delete window.devicePixelRatio; }")
    wave.page.set_viewport_size({"width": 1280, "height": 1100})


def test_the_notebook_does_not_take_the_explorers_keys(wave: ExplorerOnPage):
    cells = wave.page.locator(".jp-Cell").count()
    for element in (wave.canvas, wave.box.locator(".noUi-handle").first):
        element.focus()
        for key in ("b", "ArrowDown", "a"):  # in command mode: insert below, next cell, insert above
            wave.page.keyboard.press(key)
    wave.page.wait_for_timeout(300)
    assert wave.page.locator(".jp-Cell").count() == cells
    assert wave.box.locator(".noUi-handle").first.get_attribute("aria-label") == "Pitch"
