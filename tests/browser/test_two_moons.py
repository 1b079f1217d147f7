"""TwoMoons in a real browser: a race, every control to its ends, clicks, hover, keys alone, scenes, sentences for errors."""

import json
import re
from collections.abc import Iterator

import pytest
from browser_lab import ExplorerOnPage, Lab, write_notebook
from gallery import Gallery
from stage_lab import HISTORY

from bal_course.explorers.moons import DATA as DATA_SETS
from bal_course.explorers.two_moons import PRESETS
from bal_scenes.base import Preset
from bal_utils.acquisition import ACQUISITIONS

PATIENCE = 90  # seconds: training is quick, a machine that runs other tests beside may not be
SAMPLES, DROPOUT, NOISE, SEED, START, BATCH = range(6)  # the sliders
STRATEGY, COMPARE, POSTERIOR, DATA = range(4)  # the menus


@pytest.fixture
def moons(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The explorer at its first state; whatever a test did, nothing may have crashed."""
    explorer = gallery.restart("TwoMoons", "6 labels; with MC-dropout")
    explorer.open_more()
    yield explorer
    gallery.check(explorer)


def choose(explorer: ExplorerOnPage, menu: int, words: str) -> None:
    explorer.box.locator("select").nth(menu).select_option(label=words)


def press(explorer: ExplorerOnPage, slider: int, *keys: str) -> None:
    explorer.slider(slider)
    for key in keys:
        explorer.page.keyboard.press(key)


def scene(explorer: ExplorerOnPage) -> dict:
    """The state, as the learner would copy it."""
    field = explorer.box.get_by_placeholder("a copied scene")
    if not field.is_visible():
        explorer.box.get_by_text("Copy or paste this scene").click()
    field.fill("")
    field.press("Tab")
    for _ in range(2 * PATIENCE):
        explorer.press_button("Copy scene")  # again where it overtook the clearing: each widget has a thread of its own
        explorer.page.wait_for_timeout(500)
        if (text := field.input_value()).startswith("{"):
            return json.loads(text)
    raise AssertionError("the scene was not copied")


def paste(explorer: ExplorerOnPage, text: str) -> None:
    scene(explorer)  # opens the field
    field = explorer.box.get_by_placeholder("a copied scene")
    field.fill(text)
    field.press("Tab")
    explorer.page.wait_for_timeout(1500)  # the text must have arrived before the button does
    explorer.press_button("Paste scene")


@pytest.mark.parametrize("slider", [SAMPLES, DROPOUT, NOISE, SEED, START, BATCH])
def test_each_slider_goes_to_both_ends(moons: ExplorerOnPage, slider: int):
    """T = 1, p = 0 and 0.9, noise 0 and 0.5, 2 and 20 first labels, a batch of 20."""
    fields = ("samples", "dropout", "noise", "seed", "start", "batch")
    ends = {"Home": (1, 0.0, 0.0, 0, 2, 1), "End": (100, 0.9, 0.5, 20, 20, 20)}
    for key, values in ends.items():
        press(moons, slider, "ArrowRight", key)
        moons.wait_until(lambda: scene(moons)[fields[slider]] == values[slider], PATIENCE)  # noqa: B023
        box = moons.canvas.bounding_box()  # copying has written over the status; pointing at the map tells it anew
        moons.canvas.hover(position={"x": (0.08 + 0.1 * (key == "End")) * box["width"], "y": 0.15 * box["height"]})
        moons.wait_for_status("come out right", PATIENCE)


@pytest.mark.parametrize("words", DATA_SETS)
def test_every_data_set_can_be_chosen(moons: ExplorerOnPage, words: str):
    before = moons.pixels()
    choose(moons, DATA, words)
    if words != "moons":
        moons.wait_for_change(before, PATIENCE)
    moons.wait_for_status("6 labels", PATIENCE)


def test_two_strategies_race_to_thirty_labels_and_each_round_is_shown(moons: ExplorerOnPage):
    """One network trains fastest. The moments are read where the learner reads them, in the status line."""
    choose(moons, POSTERIOR, "one network")
    choose(moons, COMPARE, "Random")
    moons.wait_for_status("6 labels, worth: BALD ", PATIENCE)
    moons.box.evaluate(HISTORY)
    moons.canvas.focus()
    moons.page.keyboard.press("Space")
    moons.wait_for_status("30 labels, worth", 2 * PATIENCE)
    counts = [
        int(found[1]) for words in moons.page.evaluate("window.seen") if (found := re.search(r"(\d+) labels", words))
    ]
    assert counts == list(range(6, 31)), "every round was seen, once"
    assert {target["panel"] for target in moons.targets()} == {0, 1}
    marks = [
        sum(target["name"].startswith("label ") for target in moons.targets() if target["panel"] == p) for p in (0, 1)
    ]
    assert marks == [30, 30]
    asked = [(lane, point) for _, lane, point in scene(moons)["asked"]]
    assert len(asked) == 48 and len({point for lane, point in asked if lane == 0}) == 24
    moons.press_button("Undo")
    moons.wait_for_status("6 labels, worth", PATIENCE)


def test_a_place_on_the_curve_shows_the_labels_of_that_moment(moons: ExplorerOnPage):
    choose(moons, POSTERIOR, "one network")
    for count in (7, 8, 9):
        moons.press_button("Step")
        moons.wait_for_status(f"{count} labels", PATIENCE)
    box = moons.canvas.bounding_box()
    moons.canvas.hover(position={"x": 0.69 * box["width"], "y": 0.7 * box["height"]})
    moons.wait_until(lambda: re.search(r"[678] labels;", moons.status()), PATIENCE)
    moons.page.mouse.move(2, 2)
    moons.wait_for_status("9 labels", PATIENCE)


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.question for preset in PRESETS])
def test_a_chip_and_back(moons: ExplorerOnPage, preset: Preset):
    before = moons.pixels()
    moons.box.get_by_role("button", name=preset.question).click()
    moons.wait_for_change(before, PATIENCE)
    chip = moons.box.get_by_role("button", name=preset.question)
    moons.wait_until(lambda: chip.get_attribute("aria-pressed") == "true", PATIENCE)
    moons.press_button("Undo")
    moons.wait_for_status("6 labels; with MC-dropout", PATIENCE)


@pytest.mark.parametrize("words", ["ensemble", "Laplace", "one network"])
def test_every_posterior_draws_a_map_of_its_own(moons: ExplorerOnPage, words: str):
    before = moons.pixels()
    choose(moons, POSTERIOR, words)
    moons.wait_for_status(f"with {'the ' * (words == 'ensemble')}{words}", PATIENCE)
    moons.wait_for_change(before, PATIENCE)


def test_every_strategy_can_be_chosen(moons: ExplorerOnPage):
    options = moons.box.locator("select").nth(STRATEGY).locator("option").all_inner_texts()
    titles = [words.replace("\xa0", " ") for words in options]  # a menu keeps its words together
    assert titles == [strategy.title for strategy in ACQUISITIONS.values()]
    for words, title in zip(options, titles, strict=True):
        choose(moons, STRATEGY, words)
        moons.wait_for_status(f"{title} asks there next", PATIENCE)


def test_compare_and_show_terms_change_the_layout_and_go_back(moons: ExplorerOnPage):
    single = moons.pixels()
    choose(moons, COMPARE, "Margin")
    double = moons.wait_for_change(single, PATIENCE)
    moons.box.get_by_text("Show terms").click()
    triple = moons.wait_for_change(double, PATIENCE)
    assert len({target["panel"] for target in moons.targets()}) == 3
    moons.box.get_by_text("Show terms").click()
    moons.wait_for_change(triple, PATIENCE)
    assert len({target["panel"] for target in moons.targets()}) == 2
    choose(moons, COMPARE, "nobody")
    moons.wait_until(lambda: {target["panel"] for target in moons.targets()} == {0}, PATIENCE)


def test_step_undo_and_reset(moons: ExplorerOnPage):
    moons.press_button("Step")
    moons.wait_for_status("7 labels;", PATIENCE)
    moons.press_button("Undo")
    moons.wait_for_status("6 labels;", PATIENCE)
    choose(moons, POSTERIOR, "one network")
    moons.wait_for_status("with one network", PATIENCE)
    press(moons, BATCH, "End")
    moons.press_button("Step")
    moons.wait_for_status("26 labels;", PATIENCE)
    moons.press_button("Undo")
    moons.wait_for_status("6 labels;", PATIENCE)
    moons.press_button("Reset")
    moons.wait_for_status("6 labels; with MC-dropout", PATIENCE)
    assert scene(moons)["batch"] == 1


def test_one_class_can_lose_all_its_labels_and_the_last_label_stays(moons: ExplorerOnPage):
    choose(moons, POSTERIOR, "one network")  # trains fastest
    moons.wait_for_status("with one network", PATIENCE)
    press(moons, START, "Home")
    moons.wait_for_status("2 labels;", PATIENCE)
    first, last = (target["id"] for target in labelled_marks(moons))
    moons.click_point(first, modifiers=["Shift"])
    moons.wait_for_status("1 label;", PATIENCE)
    moons.click_point(last, modifiers=["Shift"])
    moons.wait_for_status("The last label stays", PATIENCE)
    moons.click_point(last)
    moons.wait_for_status("Click with Shift to take the label back", PATIENCE)


def labelled_marks(explorer: ExplorerOnPage) -> list[dict]:
    """The large marks of the map, which are the labelled points."""
    widest = max(target["w"] for target in explorer.targets())
    return [target for target in explorer.targets() if target["w"] == widest]


def test_hover_tells_the_terms_of_a_place_and_leaves(moons: ExplorerOnPage):
    asked = moons.pixels()
    box = moons.canvas.bounding_box()
    moons.canvas.hover(position={"x": 0.08 * box["width"], "y": 0.15 * box["height"]})
    moons.wait_for_status("Here, ", PATIENCE)
    moons.wait_for_change(asked, PATIENCE)
    moons.page.mouse.move(2, 2)
    moons.wait_for_status("asks there next", PATIENCE)


def test_keys_alone_label_a_point_and_press_the_buttons(moons: ExplorerOnPage):
    moons.canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        moons.page.keyboard.press(key)
        moons.page.wait_for_timeout(300)
    moons.wait_for_status("7 labels;" if "Click with Shift" not in moons.status() else "Click with Shift", PATIENCE)
    before = len(scene(moons)["asked"])
    moons.box.get_by_role("button", name="Step", exact=True).focus()
    moons.page.keyboard.press("Enter")
    moons.wait_for_status(f"{7 + before} labels;", PATIENCE)


def test_five_purchases_by_keyboard_alone(moons: ExplorerOnPage):
    moons.canvas.focus()
    for bought in range(1, 6):
        wanted = f"{6 + bought} labels; with MC-dropout"
        while wanted not in moons.status():
            moons.page.keyboard.press("ArrowDown" if bought % 2 else "ArrowRight")
            # what the last Enter said is gone
            moons.wait_until(lambda: "Click with Shift" not in moons.status(), PATIENCE)
            moons.page.keyboard.press("Enter")
            moons.wait_until(
                lambda said=(wanted, "Click with Shift"): any(words in moons.status() for words in said), PATIENCE
            )
    for left in range(4, -1, -1):
        moons.box.get_by_role("button", name="Undo", exact=True).focus()
        moons.page.keyboard.press("Enter")
        moons.wait_for_status(f"{6 + left} labels; with MC-dropout", PATIENCE)


def test_five_purchases_by_touch_on_a_phone(lab: Lab):
    write_notebook(lab.folder / "touch.ipynb", "from bal_course.explorers.two_moons import TwoMoons\nTwoMoons()")
    phone = lab.open("touch.ipynb", viewport={"width": 390, "height": 844}, has_touch=True)
    phone.run_all()
    explorer = phone.explorer()
    for bought in range(1, 6):
        box = explorer.canvas.bounding_box()
        inside = [dot for dot in explorer.targets() if 0 < dot["x"] + box["x"] < 380 and dot["w"] < 12]
        apart = {
            dot["id"]: min(abs(dot["x"] - one["x"]) + abs(dot["y"] - one["y"]) for one in inside if one is not dot)
            for dot in inside
        }
        explorer.canvas.tap(position=explorer.place(max(apart, key=apart.get), right=4, down=3))
        explorer.wait_for_status(f"{6 + bought} labels; with MC-dropout", PATIENCE)
    assert phone.errors() == []
    phone.page.close()


def test_a_scene_is_copied_and_pasted_and_nonsense_is_refused_in_a_sentence(moons: ExplorerOnPage):
    wanted = scene(moons) | {"strategy": "margin", "posterior": "one network", "asked": [[0, 0, 100]]}
    paste(moons, json.dumps(wanted))
    moons.wait_for_status("7 labels; with one network", PATIENCE)
    assert scene(moons) == wanted
    paste(moons, json.dumps(wanted | {"asked": [[0, 0, 999]]}))
    moons.wait_for_status("asked: expected different points of the pool, 0 to 199", PATIENCE)
    paste(moons, "two moons, please")
    moons.wait_for_status("This text is not a copied scene", PATIENCE)
