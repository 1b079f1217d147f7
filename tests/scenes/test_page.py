"""Static pages: the stored scenes against computed ones, what is shared, what is refused, what could break HTML."""

import base64
import gzip
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from bal_scenes.base import Button, Choice, Explorer, IntSlider, Slider, Toggle, stage
from bal_scenes.page import write_page
from bal_scenes.scene import grid, heat, line, panel, points, scene
from bal_scenes.share import from_text

PLANE = {"x": (-2, 2), "y": (-2, 2)}
NASTY = "</script><script>alert('1')</script><!-- & \"quoted\" \\u2028"
BIN = {"float32": np.float32, "uint8": np.uint8}


@dataclass(frozen=True, kw_only=True)
class WaveState:
    kind: str = "sine"
    pitch: float = 1.0
    seed: int = 3
    holes: bool = False
    rate: float = 0.01
    star: tuple[float, float] = (0.5, 0.0)


trained: list[int] = []


@stage
def dots(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, 2))


class Wave(Explorer):
    """Waves of two kinds. More."""

    State = WaveState
    controls: ClassVar = (
        Choice("kind", label=f"Kind {NASTY}", options={"a sine": "sine", NASTY: "square"}),
        Slider("pitch", label="Pitch", low=0.5, high=3.0, step=0.5),
        IntSlider("seed", label="Seed", low=0, high=5000),
        Toggle("holes", label="Holes"),
        Slider("rate", label="Rate", low=1e-4, high=1.0, log=True),
        Button("nothing", label="Nothing"),
    )
    slow_fields = frozenset({"seed"})

    def compute(self, state):
        trained.append(state.seed)
        if state.seed == 13:
            raise ValueError("Thirteen is unlucky.")
        g_G_2 = grid(**PLANE, columns=40)
        values_G = np.sin(state.pitch * g_G_2[:, 0]) * np.cos(g_G_2[:, 1])
        values_G = np.sign(values_G) if state.kind == "square" else values_G
        values_G = np.where(values_G < -0.5, np.nan, values_G) if state.holes else values_G
        marks = points(*dots(state.seed).T, ids=range(5), drag=True, names=[f"dot {i} {NASTY}" for i in range(5)])
        star = points([state.star[0]], [state.star[1]], ids=[9], drag=True, shape="star")
        track = line([-2, 2], [-state.pitch, state.pitch])
        plane = panel(heat(values_G.reshape(40, 40), **PLANE, bar="height"), track, marks, star, **PLANE)
        return scene(plane, alt=f"A wave as a heat map with five dots {NASTY}", status=f"{state.kind} {NASTY}")

    def check(self, state):
        if state.kind == "square" and state.pitch > 2:
            raise ValueError("A square wave this fast is not drawn.")

    def on_click(self, state, event):
        return state


FIELDS = {"kind": ["sine", "square"], "pitch": [2, 0.5], "seed": [3, 1], "holes": [False, True]}


def unfolded(page: str) -> tuple[dict, list[np.ndarray]]:
    """The store of a page and its arrays, read as the comment in page.js says."""
    text = re.search(r'<script type="text/plain" id="scenes">([A-Za-z0-9+/=]+)</script>', page)[1]
    whole = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(whole[:4], "little")
    store = json.loads(whole[4 : 4 + length])
    assert (4 + length) % 4 == 0, "a Float32Array must start at a multiple of four bytes"
    arrays = [np.frombuffer(whole, BIN[kind], count, 4 + length + start) for kind, start, count in store["arrays"]]
    return store, arrays


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of sixteen waves, at the title that no page should have."""
    path = tmp_path_factory.mktemp("page") / "wave.html"
    return write_page(Wave(), path, fields=FIELDS, title=NASTY).read_text()


def test_each_combination_has_its_scene(page):
    store, arrays = unfolded(page)
    controls = {control["field"]: control for control in store["controls"]}
    assert len(store["scenes"]) == 16 and list(controls) == ["kind", "pitch", "seed", "holes"]
    for places in product(range(2), repeat=4):
        values = {name: control["values"][k] for (name, control), k in zip(controls.items(), places, strict=True)}
        index = sum(control["stride"] * k for control, k in zip(controls.values(), places, strict=True))
        stored, live = store["scenes"][index], Wave().compute(WaveState(**values))
        assert (stored["alt"], stored["status"]) == (live["alt"], live["status"])
        layers = [store["layers"][i] for i in stored["panels"][0]["layers"]]
        for layer, wanted in zip(layers[1:], live["panels"][0]["layers"][1:], strict=True):
            assert layer["colour"] == wanted["colour"] and layer["kind"] == wanted["kind"]
            for axis in "xy":
                np.testing.assert_array_equal(arrays[layer[axis]["array"]], wanted[axis])


def test_equal_arrays_and_layers_are_kept_once(page):
    store, arrays = unfolded(page)
    assert len({(one.dtype, one.tobytes()) for one in arrays}) == len(arrays)
    used = [tuple(scene["panels"][0]["layers"]) for scene in store["scenes"]]
    # a map for each kind, pitch and holes; a line for each pitch; dots for each seed; one star
    assert [len(set(layer)) for layer in zip(*(one[:4] for one in used), strict=True)] == [8, 2, 2, 1]
    assert len(store["layers"]) == 14, "and the words on a flat map"


def test_marks_keep_their_ids_only_for_their_names_and_nothing_is_dragged(page):
    store, _ = unfolded(page)
    marks = [layer for layer in store["layers"] if layer["kind"] == "points"]
    assert {layer["drag"] for layer in marks} == {False}
    assert [layer["ids"] for layer in marks if layer["names"] is None] == [None]
    assert store["named"] and not any(scene["panels"][0]["click_anywhere"] for scene in store["scenes"])


class Tags(HTMLParser):
    """Which elements a page has, and its title."""

    def __init__(self) -> None:
        super().__init__()
        self.found = ["before all"]
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        for name, value in attrs:
            assert name not in ("src", "href"), f"{tag} loads {value}"

    def handle_data(self, data):
        self.texts[self.found[-1]] = self.texts.get(self.found[-1], "") + data


def test_no_text_ends_the_script_and_the_page_loads_nothing(page):
    tags = Tags()
    tags.feed(page)
    assert tags.found.count("script") == 2 and page.count("</script>") == 2
    assert tags.texts["title"].strip() == NASTY and tags.texts["h1"].strip() == NASTY
    assert not re.search(r"https?:|url\(|@import|import\(", page)
    assert "default-src 'none'" in page


def test_the_first_scene_is_the_explorers_own(tmp_path):
    explorer = Wave(WaveState(pitch=2.0, seed=7, star=(1.0, 1.5)))
    path = write_page(explorer, tmp_path / "a.html", fields={"pitch": [1, 2], "seed": [1, 5], "rate": [0.1]}, title="t")
    store, _ = unfolded(path.read_text())
    assert [control["field"] for control in store["controls"]] == ["pitch", "seed"], "one value needs no control"
    assert store["first"] == [1, 0], "pitch 2 is the explorer's, seed 7 is not on the page"
    copied = json.dumps({"explorer": store["kind"], **store["state"]})
    assert from_text("Wave", WaveState, copied) == WaveState(pitch=2.0, seed=1, rate=0.1, star=(1.0, 1.5))


def test_slow_fields_change_least_often_and_each_scene_is_computed_once(tmp_path):
    explorer = Wave()
    trained.clear()
    write_page(
        explorer, tmp_path / "a.html", fields={"pitch": [1, 2], "seed": [2, 1, 2], "holes": [True, False]}, title="t"
    )
    assert trained == [1] * 4 + [2] * 4


def test_controls_show_the_words_of_the_notebooks(tmp_path):
    fields = {
        "kind": ["square", "sine"],
        "pitch": [1, 0.75],
        "seed": np.arange(1, 3),
        "holes": [True, False],
        "rate": [1e-4, 0.03, 1],
    }
    store, _ = unfolded(write_page(Wave(), tmp_path / "a.html", fields=fields, title="t").read_text())
    told = {control["field"]: (control["type"], control["values"], control["words"]) for control in store["controls"]}
    assert told == {
        "kind": ("select", ["square", "sine"], [NASTY, "a sine"]),
        "pitch": ("range", [0.75, 1.0], ["0.75", "1.0"]),  # a value between the slider's steps is not rounded
        "seed": ("range", [1, 2], ["1", "2"]),
        "holes": ("checkbox", [False, True], []),
        "rate": ("range", [1e-4, 0.03, 1.0], ["0.0001", "0.03", "1"]),
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pich": [1]}, "Wave has no control for 'pich'; it has controls for kind, pitch, seed, holes, rate"),
        ({"star": [(0, 0)]}, "no control for 'star'"),
        ({"pitch": [1, 9]}, "pitch: expected a number from 0.5 to 3, got 9"),
        ({"pitch": [float("nan")]}, "pitch: expected a number from"),
        ({"kind": ["sine", "saw"]}, "kind: expected one of 'sine', 'square', got 'saw'"),
        ({"kind": "sine"}, "kind: expected one of 'sine', 'square', got 's'"),
        ({"holes": [0, 1]}, "holes: expected bool, got 0"),
        ({"seed": [1.5]}, "seed: expected int, got 1.5"),
        ({"seed": []}, "expected at least one value of seed, got none"),
        ({"seed": range(1001), "holes": [False, True]}, "at most 2,000 combinations, got 2,002 (seed 1001 × holes 2)"),
        ({"seed": [12, 13]}, "no scene with seed 13: Thirteen is unlucky."),
        ({"kind": ["square"], "pitch": [1, 3]}, "no scene with kind 'square', pitch 3.0: A square wave this fast"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_sentence(tmp_path, fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        write_page(Wave(), tmp_path / "a.html", fields=fields, title="t")
    assert not (tmp_path / "a.html").exists()


def test_as_many_combinations_as_allowed_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("bal_scenes.page.MOST_SCENES", 24)
    page = write_page(Wave(), tmp_path / "a.html", fields={"seed": range(12), "holes": [False, True]}, title="t")
    assert "24 stored scenes" in page.read_text()
    with pytest.raises(ValueError, match="at most 24 combinations, got 25"):
        write_page(Wave(), tmp_path / "a.html", fields={"seed": range(100, 125)}, title="t")


def test_the_same_scenes_make_the_same_file(tmp_path):
    write = lambda name: write_page(Wave(), tmp_path / name, fields={"pitch": [1, 2]}, title="t").read_bytes()  # noqa: E731
    assert write("a.html") == write("b.html")
