"""The stored runs of notebook 12 in a real browser: rounds by button, slider and click, two strategies, a refusal."""

from collections.abc import Iterator

import pytest
from browser_lab import ExplorerOnPage
from gallery import Gallery

PATIENCE = 30  # seconds, on a machine that runs other tests beside
STRATEGY, COMPARE, SEED = range(3)


@pytest.fixture
def runs(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The explorer at its start; whatever a test did, nothing may have failed."""
    explorer = gallery.restart("MnistRuns", "BALD, round 1 of 11: 20 labels")
    yield explorer
    gallery.check(explorer)


def choose(explorer: ExplorerOnPage, index: int, words: str) -> None:
    explorer.box.locator("select").nth(index).select_option(label=words)


def test_the_next_round_has_other_pictures(runs: ExplorerOnPage):
    before = runs.pixels()
    runs.press_button("Next round")
    runs.wait_for_status("BALD, round 2 of 11: 30 labels", PATIENCE)
    runs.wait_for_change(before, PATIENCE)
    runs.press_button("Undo")
    runs.wait_for_status("round 1 of 11", PATIENCE)


def test_the_slider_goes_to_both_ends(runs: ExplorerOnPage):
    for key, words in (("End", "round 11 of 11: 120 labels"), ("Home", "round 1 of 11: 20 labels")):
        before = runs.pixels()
        runs.box.get_by_role("slider", name="Round").focus()
        runs.page.keyboard.press(key)
        runs.wait_for_status(words, PATIENCE)
        runs.wait_for_change(before, PATIENCE)


def test_a_click_on_the_curve_goes_to_that_round(runs: ExplorerOnPage):
    runs.click_point(7)
    runs.wait_for_status("round 7 of 11: 80 labels", PATIENCE)


def test_two_strategies_and_a_seed_that_only_one_has(runs: ExplorerOnPage):
    before = runs.pixels()
    choose(runs, COMPARE, "Random")
    runs.wait_for_status("Random, round 1 of 11", PATIENCE)
    runs.wait_for_change(before, PATIENCE)
    choose(runs, STRATEGY, "Random")
    runs.wait_for_status("Random, round 1 of 11", PATIENCE)
    choose(runs, SEED, "2")
    choose(runs, COMPARE, "BALD")
    runs.wait_for_status("No run of BALD with seed 2 is stored", PATIENCE)
