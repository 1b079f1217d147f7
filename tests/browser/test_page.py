"""A static page in a real browser, from the disk and without a network: the picture, keys, addresses, a phone."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
from browser_lab import Lab
from page_lab import Wave, WavePage, WaveState, as_source

from bal_scenes.browser import WIDGET, source
from bal_scenes.page import write_page
from bal_scenes.share import from_text

FIELDS = {"kind": ["sine", "square"], "pitch": [0.5, 1, 2, 3], "seed": [1, 4, 7], "holes": [False, True]}
FIRST = "sine 1.0 1 False"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of 48 scenes, with a title that could break it."""
    path = tmp_path_factory.mktemp("page") / "wave.html"
    return write_page(Wave(), path, fields=FIELDS, title="Waves </script> & <b>more</b>").as_uri()


@pytest.fixture
def open_page(lab: Lab, address: str) -> Iterator[Any]:
    """Opens the page with what follows its address; no page may complain or ask for another file."""
    opened, complaints, asked = [], [], []

    def open_at(rest: str = "", size: tuple[int, int] = (1280, 900), **view: Any) -> WavePage:
        page = lab.browser.new_page(viewport={"width": size[0], "height": size[1]}, **view)
        opened.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.split("#")[0]))
        page.goto(address + rest)
        return WavePage(page)

    yield open_at
    for page in opened:
        page.close()
    assert complaints == []
    assert set(asked) == {address}


def test_the_page_runs_no_script_but_its_own(lab, address):
    page = lab.browser.new_page()
    page.goto(address)
    ran = page.evaluate("""async () => {
        const ran = [], add = (tag, told) => document.body.append(Object.assign(document.createElement(tag), told));
        window.ran = (name) => ran.push(name);
        await new Promise((done) => setTimeout(done, 10)); // what Playwright calls itself may evaluate text
        add("script", { textContent: "window.ran('inline')" });
        add("div", { innerHTML: "<img src='data:,' onerror='window.ran(`handler`)'>" });
        setTimeout("window.ran('text')", 0);
        await new Promise((done) => setTimeout(done, 300));
        return ran;
    }""")
    assert ran == []
    page.close()


def test_the_page_draws_its_first_scene(open_page):
    wave = open_page()
    assert wave.status() == FIRST
    assert wave.page.title() == wave.page.locator("h1").inner_text() == "Waves </script> & <b>more</b>"
    assert wave.canvas.get_attribute("aria-label").startswith("Waves as a heat map")
    assert wave.page.locator(".bal-status").get_attribute("aria-live") == "polite"
    assert "live in the notebook" in wave.page.locator(".page-note").inner_text()
    colours = wave.canvas.evaluate("""canvas => new Set(new Uint32Array(
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size""")
    assert colours > 200, "a heat map has many colours"


@pytest.mark.parametrize(
    ("label", "key", "status"),
    [
        ("Kind", "ArrowDown", "square 1.0 1 False"),
        ("Pitch", "ArrowRight", "sine 2.0 1 False"),
        ("Pitch", "Home", "sine 0.5 1 False"),
        ("Pitch", "End", "sine 3.0 1 False"),
        ("Seed", "End", "sine 1.0 7 False"),
        ("Holes", "Space", "sine 1.0 1 True"),
    ],
)
def test_each_control_changes_the_picture_by_keyboard(open_page, label, key, status):
    wave = open_page()
    before = wave.pixels()
    wave.press(label, key)
    assert wave.pixels() != before and wave.status() == status
    spoken = wave.page.get_by_label(label, exact=True).get_attribute("aria-valuetext")
    assert spoken is None or spoken in status


def test_every_control_is_reached_by_tab(open_page):
    wave = open_page()
    reached = []
    for _ in range(8):
        wave.page.keyboard.press("Tab")
        reached.append(wave.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert [one for one in reached if one] == [
        "field-kind",
        "field-pitch",
        "field-seed",
        "field-holes",
        "Copy scene",
        "Paste scene",
    ]


REFERENCE = """
const values = { scene: %s, status: "", listens: ["click"], wanted_keys: [], grow: 3 };
const el = document.querySelector("div");
render({ el, model: { get: (name) => values[name], on() {}, off() {}, send() {} } });
"""


@pytest.mark.parametrize("holes", [False, True])
def test_the_pixels_are_those_of_the_live_widget(open_page, lab, tmp_path, holes):
    wave = open_page(f"#{json.dumps({'kind': 'square', 'pitch': 2, 'holes': holes})}")
    width = wave.page.locator(".bal-canvas").evaluate("el => el.clientWidth")
    drawn = REFERENCE % as_source(Wave().compute(WaveState(kind="square", pitch=2.0, holes=holes)))
    script = source(*WIDGET) + "\n" + drawn
    (tmp_path / "live.html").write_text(
        f'<!doctype html><meta charset="utf-8"><div style="width:{width}px"></div><script type="module">{script}</script>'
    )
    page = lab.browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto((tmp_path / "live.html").as_uri())
    live = WavePage(page)
    assert wave.pixels() == live.pixels(), "colours are chosen before, by the same sums: not a pixel may differ"
    page.close()


def test_the_address_restores_a_scene_and_follows_the_controls(open_page, address):
    copied = Wave(WaveState(kind="square", pitch=3.0, seed=4, holes=True)).state_as_text()
    wave = open_page(f"#{copied}")
    assert wave.status() == "square 3.0 4 True"
    assert wave.page.get_by_label("Pitch").get_attribute("aria-valuetext") == "3.0"
    wave.press("Seed", "End")
    wave.page.wait_for_function("() => location.hash.includes('7')", timeout=5_000)
    told = unquote(wave.page.evaluate("location.hash").removeprefix("#"))
    assert from_text("Wave", WaveState, told) == WaveState(kind="square", pitch=3.0, seed=7, holes=True)
    again = open_page(wave.page.evaluate("location.hash"))
    assert again.pixels() == wave.pixels()
    again.page.evaluate("hash => { location.hash = hash; }", quote(copied))
    again.page.wait_for_function("() => document.querySelector('.bal-status').textContent === 'square 3.0 4 True'")


WRONG = {
    "%7B": "This is not a copied scene",
    "100%": "This is not a copied scene",
    "null": "This is not a copied scene",
    '{"explorer": "Star"}': "belongs to the explorer Star, this page is Wave",
    '{"tune": 1}': "This page has no field tune; it has kind, pitch, seed, holes, star",
    '{"__proto__": 1}': "This page has no field __proto__",
    '{"pitch": 1.5}': "no scene with pitch 1.5; it has 0.5, 1, 2, 3.",
    '{"kind": ["sine"]}': 'no scene with kind ["sine"]; it has "sine", "square".',
    '{"pitch": 3, "star": [1, 1]}': "no scene with star [1,1]; it has [0.5,0].",
}


def test_an_address_without_a_scene_gives_a_sentence_and_the_first_one(open_page):
    good = '{"pitch": 3}'
    wave = open_page("#100%")
    for rest, words in WRONG.items():
        wave.page.evaluate("hash => { location.hash = hash; }", rest)
        wave.page.wait_for_timeout(50)
        assert words in wave.status() and "first scene" in wave.status()
        assert "bal-failed" in wave.page.locator(".bal-status").get_attribute("class")
        assert wave.page.get_by_label("Pitch").get_attribute("aria-valuetext") == "1.0"
        wrong = wave.pixels()
        wave.page.evaluate("hash => { location.hash = hash; }", good)
        wave.page.wait_for_function("() => document.querySelector('.bal-status').textContent === 'sine 3.0 1 False'")
    assert "bal-failed" not in wave.page.locator(".bal-status").get_attribute("class")
    assert wrong == open_page().pixels() != wave.pixels()


def test_copy_and_paste_as_in_the_notebook(open_page):
    wave = open_page()
    wave.press("Pitch", "End")
    wave.page.get_by_role("button", name="Copy scene").press("Enter")
    field = wave.page.get_by_label("Scene", exact=True)
    explorer = Wave()
    explorer.restore(field.input_value())
    assert explorer.state == WaveState(pitch=3.0)
    field.fill(Wave(WaveState(kind="square", seed=7)).state_as_text())
    field.press("Enter")
    assert wave.status() == "square 1.0 7 False"
    field.fill("nothing")
    wave.page.get_by_role("button", name="Paste scene").press("Enter")
    assert "not a copied scene" in wave.status()
    assert wave.page.get_by_label("Seed").get_attribute("aria-valuetext") == "7", "the picture stays"


def test_clicks_do_nothing_and_names_are_shown_and_read(open_page):
    wave = open_page()
    dot = wave.canvas.evaluate("canvas => canvas.targets[250]")
    before, place = wave.pixels(), {"x": dot["x"], "y": dot["y"]}
    wave.canvas.hover(position=place)
    tip = wave.page.locator(".page-tip")
    assert re.fullmatch(r"dot \d+", tip.inner_text())
    wave.canvas.click(position=place)
    assert wave.status() == FIRST and wave.pixels() == before
    wave.page.mouse.move(2, 2)
    assert tip.is_hidden()
    wave.canvas.focus()
    wave.page.keyboard.press("ArrowLeft")
    assert wave.page.locator(".bal-said").text_content().startswith("dot")


@pytest.mark.parametrize(("size", "scheme"), [((390, 844), "dark"), ((320, 700), "light"), ((1920, 950), "dark")])
def test_nothing_is_scrolled_sideways(open_page, size, scheme):
    wave = open_page(size=size, color_scheme=scheme)
    for selector in ("html", ".bal-canvas"):
        room, needed = wave.page.locator(selector).evaluate("el => [el.clientWidth, el.scrollWidth]")
        assert needed <= room, selector
    box = wave.canvas.bounding_box()
    assert (box["height"] > 1.2 * box["width"]) == (size[0] < 600), "on a phone the panels stand under one another"
    wave.page.set_viewport_size({"width": 900, "height": 800})
    wave.page.wait_for_timeout(300)
    assert wave.canvas.bounding_box()["height"] < wave.canvas.bounding_box()["width"]
    dark, light = (
        wave.page.locator(one).evaluate("el => getComputedStyle(el).backgroundColor") for one in ("body", ".bal-canvas")
    )
    assert (dark == light) == (scheme == "light") and light == "rgb(255, 255, 255)", "the picture keeps its paper"
