"""The explorers in a real browser: each slider to both ends, clicks and drags with undo, and what one of them alone does."""

import re
from dataclasses import dataclass

import pytest
from browser_lab import ExplorerOnPage
from every_explorer import explorer_kinds
from gallery import Gallery

from bal_scenes.base import Explorer
from bal_scenes.controls import IntSlider, Slider

PATIENCE = 60  # seconds, on a machine that runs other tests beside


@dataclass(frozen=True)
class Words:
    """What the status line says: at the first state, and whatever the sliders say."""

    first: str
    always: str


WORDS = {
    "BestTen": Words("BALD's 10 hold", "nats"),
    "DropoutKL": Words("|m| = 0.2, that is 2.0 σ", "|m| = "),
    "DropoutLeftOn": Words("K = 30", "cost"),
    "HowManyNetworks": Words("5 networks:", "network"),
    "LabelRace": Words("12 labels left", "12 labels left"),
    "PickTheLabel": Words("A is bought by margin, vote entropy", ""),
    "PosteriorMaps": Words("one network says", "At the star"),
    "PriorToPosterior": Words("KL weight 1 is Bayes' rule", "nats from the prior"),
    "Regression": Words("20 readings. Log evidence with 8 features", "Log evidence"),
    "TheStar": Words("0.995", "The best line says"),
    "ThreeKinds": Words("At 2.0 km", "At "),
}


def sliders_of(kind: type[Explorer]) -> list[Slider | IntSlider]:
    """The sliders of an explorer; the field that is time has a scrubber instead."""
    time = kind.play.field if kind.play else None
    return [control for control in kind.controls if isinstance(control, Slider | IntSlider) and control.field != time]


SLIDERS = [
    pytest.param(name, number, id=f"{name}-{slider.field}")
    for name in WORDS
    for number, slider in enumerate(sliders_of(explorer_kinds()[name]))
]


def start(gallery: Gallery, name: str) -> ExplorerOnPage:
    return gallery.restart(name, WORDS[name].first)


@pytest.mark.parametrize(("name", "number"), SLIDERS)
def test_a_slider_changes_the_picture_up_to_its_ends(gallery: Gallery, name: str, number: int):
    explorer, kind = start(gallery, name), explorer_kinds()[name]
    slider = sliders_of(kind)[number]
    if (name, slider.field) == ("PosteriorMaps", "dropout"):  # only a network with dropout minds
        explorer.box.get_by_label("Right", exact=True).select_option("MC-dropout")
        explorer.wait_for_status("MC-dropout says")
    inwards = "ArrowLeft" if getattr(kind.State(), slider.field) == slider.high else "ArrowRight"
    for key in (inwards, "Home", "End"):
        before = explorer.pixels()
        explorer.slider(number)
        explorer.page.keyboard.press(key)
        explorer.wait_for_change(before, PATIENCE)
        explorer.wait_for_status(WORDS[name].always)
    assert explorer.box.locator(".bal-failed").count() == 0
    gallery.check(explorer)


@pytest.mark.parametrize(
    ("name", "mark", "right", "down", "told"),
    [
        pytest.param("BestTen", 7, 0, 0, "Image 8 alone would tell", id="an image"),
        pytest.param("DropoutKL", 0, 60, 20, "|m| = ", id="a length"),
        pytest.param("DropoutKL", 1, 60, 20, "|m| = ", id="a dimension"),
        pytest.param("PosteriorMaps", 0, 150, 120, "At the star", id="a place of both maps"),
        pytest.param("ThreeKinds", 0, 100, -40, "At ", id="a place of the lake"),
    ],
)
def test_a_click_asks_there_and_undo_brings_the_first_state_back(
    gallery: Gallery, name: str, mark: int, right: float, down: float, told: str
):
    explorer = start(gallery, name)
    before, first = explorer.pixels(), explorer.status()
    explorer.canvas.click(position=explorer.place(mark, right, down))
    explorer.wait_for_change(before)
    explorer.wait_until(lambda: explorer.status() != first and told in explorer.status())
    explorer.press_button("Undo")
    explorer.wait_until(lambda: (explorer.status(), explorer.pixels()) == (first, before))
    gallery.check(explorer)


def test_a_click_on_the_coverage_chooses_the_number_of_networks(gallery: Gallery):
    committee = start(gallery, "HowManyNetworks")
    box, before = committee.canvas.bounding_box(), committee.pixels()
    committee.canvas.click(position={"x": 0.965 * box["width"], "y": 0.5 * box["height"]})
    committee.wait_for_change(before)
    committee.wait_until(lambda: re.match("(18|19|20) networks:", committee.status()))
    committee.press_button("Undo")
    committee.wait_for_status("5 networks:")


def test_the_star_is_dragged_along_the_lake(gallery: Gallery):
    lake = start(gallery, "ThreeKinds")
    lake.drag(0, right=100, down=0)  # 45 pixels are 1 km, so the star comes to 4.2 km, give or take one of the moves
    lake.wait_until(lambda: re.search(r"At (3\.[89]|4\.[0-5]) km", lake.status()))


def test_the_star_is_dragged_to_a_longer_row(gallery: Gallery):
    explorer = start(gallery, "DropoutKL")
    explorer.drag(0, right=100, down=0)
    explorer.wait_until(lambda: float(explorer.status().split("|m| = ")[1].split(",")[0]) > 0.25)


def test_one_pass_says_that_it_shows_no_spread_and_the_reference_can_be_hidden(gallery: Gallery):
    fan = start(gallery, "DropoutLeftOn")
    fan.wait_for_status("cost")
    assert "Gaussian process" in fan.status()
    before = fan.pixels()
    fan.page.get_by_label("Show the Gaussian process").click()
    fan.wait_for_change(before)
    fan.wait_until(lambda: "Gaussian process" not in fan.status())
    fan.box.get_by_role("slider", name="Passes K").focus()
    fan.page.keyboard.press("Home")
    fan.wait_for_status("no spread")


def test_a_heavy_kl_is_called_by_its_name(gallery: Gallery):
    network = start(gallery, "PriorToPosterior")
    network.slider(1)
    network.page.keyboard.press("End")
    network.wait_for_status("counts as 1/100 of one")


def test_the_other_method_is_learned_and_undone_by_reset(gallery: Gallery):
    network = start(gallery, "PriorToPosterior")
    before, said = network.pixels(), network.status()
    network.box.locator("select").first.select_option("Bayes by Backprop")
    after = network.wait_for_change(before, PATIENCE)
    network.wait_until(lambda: network.status() not in (said, "computing…"))
    network.press_button("Reset")
    network.wait_for_change(after)
    network.wait_for_status(said)


def test_another_method_and_another_map(gallery: Gallery):
    maps = start(gallery, "PosteriorMaps")
    maps.box.get_by_label("Left", exact=True).select_option("deep ensemble")
    maps.wait_for_status("deep ensemble says", PATIENCE)
    before = maps.pixels()
    maps.box.get_by_label("Map", exact=True).select_option("BALD")
    maps.wait_for_change(before)
    maps.wait_for_status("BALD")


def test_a_member_that_changes_its_mind_takes_the_disagreement_away(gallery: Gallery):
    pick = start(gallery, "PickTheLabel")
    before, member, fox = pick.pixels(), pick.place(1), pick.place(0)
    pick.drag(1, right=fox["x"] - member["x"], down=fox["y"] - member["y"])  # the fox's only friend now says cat
    pick.wait_for_change(before)
    pick.wait_for_status("Cannot choose: vote entropy")
    pick.press_button("Undo")
    pick.wait_for_status(WORDS["PickTheLabel"].first)


def test_a_member_is_moved_by_keys(gallery: Gallery):
    pick = start(gallery, "PickTheLabel")
    before = pick.pixels()
    pick.click_point(1)
    pick.canvas.focus()
    for _ in range(5):
        pick.page.keyboard.press("Shift+ArrowLeft")
    pick.wait_for_change(before)


def test_uniting_both_leaves_the_committee_nothing_to_say(gallery: Gallery):
    pick = start(gallery, "PickTheLabel")
    for words in ("A: all agree on the mean", "B: all agree on the mean"):
        before = pick.pixels()
        pick.press_button(words)
        pick.wait_for_change(before)
    pick.wait_for_status("Cannot choose: vote entropy, BALD = mean KL, error reduction")


def test_mouse_and_keys_drag_the_star_among_the_patients(gallery: Gallery):
    star = start(gallery, "TheStar")
    before, height = star.pixels(), star.canvas.bounding_box()["height"]
    star.drag(0, right=20, down=0.41 * height)
    star.wait_for_status("nearly agree")
    star.wait_for_change(before)
    star.press_button("Undo")
    star.wait_for_status("0.995")
    star.canvas.focus()
    for _ in range(4):
        star.page.keyboard.press("Shift+ArrowLeft")
    star.wait_until(lambda: "0.995" not in star.status())
    assert star.box.locator(".bal-failed").count() == 0


def test_the_other_map_and_other_patients(gallery: Gallery):
    star = start(gallery, "TheStar")
    before = star.pixels()
    star.box.locator("select").select_option("one best line")
    other = star.wait_for_change(before)
    star.press_button("Other patients")
    star.wait_for_change(other)
    assert star.box.locator(".bal-failed").count() == 0
