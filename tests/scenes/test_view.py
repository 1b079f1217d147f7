"""The widgets of an explorer, without a browser: what they send, show and read."""

import builtins
import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
from ipywidgets import Accordion, Button, FloatSlider, Image
from PIL import Image as Pillow
from widget_parts import parts

from bal_scenes.base import Button as Press
from bal_scenes.base import Explorer, Slider
from bal_scenes.browser import FOLDER
from bal_scenes.canvas import Canvas, packed
from bal_scenes.scene import line, panel, points, scene


@dataclass(frozen=True, kw_only=True)
class State:
    width: float = 1.0
    chosen: int | None = None


class Tiny(Explorer):
    State = State
    controls = (Slider("width", label="Width", low=0.0, high=2.0), Press("crash", label="Crash"))
    slow_fields = frozenset({"width"})
    keys = ("7",)

    def compute(self, state):
        self.seen.append((self.status, getattr(self._view and self._view.canvas, "busy", None)))
        if state.width == 2.0:
            raise RuntimeError("too wide")
        mark = points([0.5], [state.width], ids=[3])
        return scene(panel(mark, y=(0, 2)), alt="one mark at the height of the slider", status=f"at {state.width}")

    def __init__(self):
        self.seen = []
        super().__init__()

    def on_click(self, state, event):
        return replace(state, chosen=event.point)

    def crash(self, state):
        return 1 / 0


@pytest.fixture
def tiny():
    return Tiny()


def button(explorer, words):
    return next(found for found in parts(explorer.widget, Button) if found.description == words)


def test_arrays_travel_as_binary_buffers(tiny):
    layer = scene(panel(line([0, 1], [2, 3])), alt="a line that rises from left to right")["panels"][0]["layers"][0]
    buffer = packed(layer)["y"]
    assert isinstance(buffer, memoryview)
    np.testing.assert_array_equal(np.frombuffer(buffer, np.float32), [2, 3, np.nan])
    assert packed(line([], []))["x"] is not None


def test_the_slider_moves_the_state_and_the_state_moves_the_slider(tiny):
    (slider,) = parts(tiny.widget, FloatSlider)
    slider.value = 1.5
    assert tiny.state.width == 1.5
    tiny.set(width=0.5)
    assert slider.value == 0.5


def test_a_slow_field_shows_that_it_computes_before_it_does(tiny):
    (slider,) = parts(tiny.widget, FloatSlider)
    slider.value = 0.5
    assert tiny.seen[-1] == ("computing…", True)
    (canvas,) = parts(tiny.widget, Canvas)
    assert (canvas.status, canvas.busy) == ("at 0.5", False)


def test_errors_reach_the_status_line_and_keep_the_picture(tiny):
    (canvas,) = parts(tiny.widget, Canvas)
    before = canvas.scene
    tiny.set(width=2.0)
    assert canvas.failed and "too wide" in canvas.status
    button(tiny, "Crash").click()
    assert "ZeroDivisionError" in canvas.status
    assert canvas.scene == before


def test_a_message_of_the_browser_becomes_an_event_and_only_paced_ones_are_answered(tiny):
    (canvas,) = parts(tiny.widget, Canvas)
    sent = []
    canvas.send = sent.append
    click = {"kind": "click", "panel": 0, "x": 0.5, "y": 1.0, "point": 3, "shift": False, "key": None}
    canvas._receive(canvas, dict(click), [])
    assert tiny.state.chosen == 3 and sent == []
    canvas._receive(canvas, {**click, "kind": "hover", "paced": True}, [])
    assert sent == [{"answered": True}]


def test_the_browser_is_told_what_the_explorer_listens_to(tiny):
    (canvas,) = parts(tiny.widget, Canvas)
    assert canvas.listens == ["click"]
    assert canvas.wanted_keys == ["7"]


def test_undo_and_reset_are_there_where_something_can_be_clicked(tiny):
    tiny.set(chosen=3)
    button(tiny, "Reset").click()
    assert tiny.state == State()
    button(tiny, "Undo").click()
    assert tiny.state.chosen == 3


def test_scenes_are_copied_and_pasted_through_the_field(tiny):
    tiny.set(width=0.25)
    button(tiny, "Copy scene").click()
    (share,) = parts(tiny.widget, Accordion)
    assert share.selected_index is None
    field = tiny._view.field
    text = field.value
    tiny.reset()
    field.value = text
    button(tiny, "Paste scene").click()
    assert tiny.state.width == 0.25
    field.value = "not a scene"
    button(tiny, "Paste scene").click()
    (canvas,) = parts(tiny.widget, Canvas)
    assert canvas.failed and "not a copied scene" in canvas.status


def test_the_plain_text_in_a_notebook_never_changes(tiny):
    bundle, _ = tiny._repr_mimebundle_()
    assert bundle["text/plain"] == "Tiny explorer (runs in a live notebook)"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_one_output_holds_the_widget_and_its_present_picture(tiny):
    first, told = tiny._repr_mimebundle_()
    picture = Pillow.open(io.BytesIO(first["image/png"]))
    assert picture.size == (2 * tiny.scene["width"], 2 * tiny.scene["height"]) and picture.mode == "P"
    assert told == {"image/png": {"alt": tiny.scene["alt"], "width": tiny.scene["width"]}}
    tiny.set(width=0.25)
    assert tiny._repr_mimebundle_()[0]["image/png"] != first["image/png"]


def test_an_explorer_that_could_not_be_drawn_is_shown_without_a_picture(tiny, monkeypatch):
    monkeypatch.setattr(tiny, "scene", None)
    bundle, told = tiny._repr_mimebundle_()
    assert "image/png" not in bundle and told == {}


def test_without_anywidget_the_picture_is_still_there(tiny, monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **options):
        if name == "bal_scenes.canvas":
            raise ImportError("No module named 'anywidget'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    (image,) = parts(tiny.widget, Image)
    first = bytes(image.value)
    assert first.startswith(b"\x89PNG")
    (slider,) = parts(tiny.widget, FloatSlider)
    slider.value = 0.2
    assert bytes(image.value) != first
    assert image.tooltip == tiny.scene["alt"]
    tiny.set(width=2.0)
    assert "too wide" in tiny._view.canvas.status.value


def test_nothing_is_fetched_from_elsewhere():
    files = [path for path in FOLDER.iterdir() if path.suffix in {".js", ".css", ".html"}]
    assert len(files) == 9
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("http:", "https:", "import ", "@import", "url(")), path.name
