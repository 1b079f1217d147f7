"""All explorers in one notebook in a real browser: names, keys, focus, sizes and contrast, in a light and a dark theme."""

from typing import Any

import pytest
from browser_lab import NotebookPage
from gallery import Gallery

THEMES = ("JupyterLab Light", "JupyterLab Dark")
CONTROLS = ".noUi-handle, .widget-readout, select, input, button, canvas, .jupyter-widget-Collapse-header"
WORDS, GRAPHICS, SMALLEST = 4.5, 3.0, 14

# What is shown in words: size in pixels, and contrast against all the backgrounds that lie below it. And of what can be
# worked with: the contrast of its edge or its face, whichever is higher, against what is around it.
AUDIT = """box => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const behind = (e) => {
    const found = [];
    for (; e; e = e.parentElement) found.push(parse(getComputedStyle(e).backgroundColor));
    return found.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]) + 0.05;
  const ratio = (a, b) => Math.max(light(a) / light(b), light(b) / light(a));
  const words = [], edges = [], walk = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim(), style = getComputedStyle(e);
    if (text && e.checkVisibility({ visibilityProperty: true }) && !e.closest('.bal-said'))
      words.push([text.slice(0, 40), parseFloat(style.fontSize), ratio(over(parse(style.color), behind(e)), behind(e))]);
  }
  for (const e of box.querySelectorAll('select, input:not([type=checkbox]), .noUi-target, .noUi-handle')) {
    const style = getComputedStyle(e), around = behind(e.parentElement);
    const edge = parseFloat(style.borderTopWidth) ? ratio(over(parse(style.borderTopColor), around), around) : 1;
    const best = Math.max(edge, ratio(behind(e), around));
    if (e.checkVisibility()) edges.push([e.className || e.tagName, best, parseFloat(style.fontSize)]);
  }
  return { words, edges };
}"""
FOCUSED = """() => {
  const e = document.activeElement, box = e.closest('.bal-explorer');
  if (!box) return null;
  const style = getComputedStyle(e), frame = getComputedStyle(e.closest('.bal-canvas') || e);
  const seen = [style, frame].some((s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2);
  const number = [...document.querySelectorAll('.bal-explorer')].indexOf(box);
  return [number, [...box.querySelectorAll(CONTROLS)].indexOf(e), seen, e.className || e.tagName];
}""".replace("CONTROLS", repr(CONTROLS))


@pytest.fixture
def notebook(gallery: Gallery) -> NotebookPage:
    """The notebook of all explorers."""
    return gallery.notebook


def use_theme(page: Any, theme: str) -> None:
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.wait_for_timeout(2_000)


@pytest.fixture(params=THEMES)
def themed(notebook: NotebookPage, request: pytest.FixtureRequest) -> Any:
    """The page in one theme, with the fields for copied scenes open."""
    use_theme(notebook.page, request.param)
    yield notebook.page
    use_theme(notebook.page, THEMES[0])


def open_the_fields(page: Any) -> None:
    for header in page.locator(".bal-explorer .jupyter-widget-Collapse-header").all():
        if header.get_attribute("aria-expanded") == "false":
            header.focus()
            page.keyboard.press("Enter")
    page.wait_for_timeout(500)


def nodes(page: Any) -> list[dict[str, Any]]:
    """Role, name and focusability of everything that a screen reader is told about the explorers."""
    session = page.context.new_cdp_session(page)
    found = []
    for box in range(page.locator(".bal-explorer").count()):
        held = session.send("Runtime.evaluate", {"expression": f"document.querySelectorAll('.bal-explorer')[{box}]"})
        tree = session.send("Accessibility.queryAXTree", {"objectId": held["result"]["objectId"]})["nodes"]
        for node in tree:
            told = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
            name = node.get("name", {}).get("value", "").strip()
            role = node.get("role", {}).get("value")
            focusable = bool(told.get("focusable")) and not node["ignored"]
            found.append({"box": box, "role": role, "name": name, "focusable": focusable})
    session.detach()
    return found


def test_whatever_takes_the_focus_has_a_role_and_a_name(notebook: NotebookPage):
    open_the_fields(notebook.page)
    found = [node for node in nodes(notebook.page) if node["focusable"] and node["role"] != "option"]
    roles = {node["role"] for node in found}
    assert {"slider", "textbox", "combobox", "checkbox", "button"} <= roles and roles & {"application", "image", "img"}
    assert [node for node in found if not node["name"] or node["role"] in ("generic", "none")] == []


def test_the_names_in_one_explorer_are_different(notebook: NotebookPage):
    named = [(n["box"], n["role"], n["name"]) for n in nodes(notebook.page) if n["focusable"] and n["role"] != "option"]
    assert len(named) == len(set(named))


def test_a_picture_says_what_it_shows_and_its_sentence_is_announced(notebook: NotebookPage):
    for box in notebook.page.locator(".bal-explorer").all():
        canvas = box.locator("canvas.bal-picture")
        assert len(canvas.get_attribute("aria-label").split()) >= 6
        assert canvas.get_attribute("role") in ("application", "img")
        assert box.locator(".bal-status").get_attribute("aria-live") == "polite"


def test_tab_reaches_every_control_and_the_focus_is_seen(notebook: NotebookPage):
    page = notebook.page
    open_the_fields(page)
    boxes = page.locator(".bal-explorer").all()
    wanted = {
        (number, place)
        for number, box in enumerate(boxes)
        for place, control in enumerate(box.locator(CONTROLS).all())
        if control.is_visible() and control.is_enabled()
    }
    boxes[0].locator(CONTROLS).first.focus()
    page.keyboard.press("Shift+Tab")
    reached, unseen = set(), set()
    for _ in range(2 * len(wanted)):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUSED)
        if focus is None and reached:
            break
        if focus is not None:
            reached.add((focus[0], focus[1]))
            if not focus[2]:
                unseen.add(focus[3])
    assert reached >= wanted, f"not reached: {sorted(wanted - reached)}"
    assert not unseen, f"no outline: {unseen}"


def test_the_field_for_scenes_opens_and_closes_by_key(notebook: NotebookPage):
    page = notebook.page
    open_the_fields(page)
    header = page.locator(".bal-explorer .jupyter-widget-Collapse-header").first
    field = page.locator(".bal-explorer").first.get_by_label("Scene")
    assert header.get_attribute("aria-expanded") == "true" and field.is_visible()
    header.focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    assert header.get_attribute("aria-expanded") == "false" and not field.is_visible()


def test_arrows_move_a_slider_and_its_number_can_be_typed(notebook: NotebookPage):
    page = notebook.page
    slider = page.locator(".bal-explorer .widget-hslider").first
    handle, typed = slider.locator(".noUi-handle"), slider.locator(".widget-readout")
    handle.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(500)
    low = handle.get_attribute("aria-valuenow")
    assert typed.get_attribute("aria-label") == f"{handle.get_attribute('aria-label')}, as a number"
    page.keyboard.press("End")
    page.wait_for_timeout(500)
    high = handle.get_attribute("aria-valuenow")
    assert float(high) > float(low)
    typed.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(low)
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(float(low))


def test_words_are_large_and_stand_out(themed: Any):
    open_the_fields(themed)
    found = [word for box in themed.locator(".bal-explorer").all() for word in box.evaluate(AUDIT)["words"]]
    assert len(found) > 100
    assert {(word, size) for word, size, _ in found if size < SMALLEST} == set()
    assert {(word, round(ratio, 2)) for word, _, ratio in found if ratio < WORDS} == set()


def test_controls_stand_out_from_what_is_around_them(themed: Any):
    open_the_fields(themed)
    found = [edge for box in themed.locator(".bal-explorer").all() for edge in box.evaluate(AUDIT)["edges"]]
    assert {(name, round(ratio, 2)) for name, ratio, _ in found if ratio < GRAPHICS} == set()
    assert {(name, size) for name, _, size in found if name in ("SELECT", "widget-input") and size < SMALLEST} == set()
