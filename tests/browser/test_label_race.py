"""The race of notebook 11 in a real browser: twelve clicks, a refusal, the score, taking labels back, keys alone."""

from collections.abc import Iterator

import pytest
from browser_lab import ExplorerOnPage
from gallery import Gallery

PATIENCE = 60  # seconds, on a machine that runs other tests beside


@pytest.fixture
def race(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The race, at its start; whatever a test did, nothing may have failed."""
    explorer = gallery.restart("LabelRace", "12 labels left")
    yield explorer
    gallery.check(explorer)


def free_points(explorer: ExplorerOnPage, count: int) -> list[int]:
    """Unlabelled points, the small marks, no two in the same place: a click goes to the nearest centre."""
    targets = explorer.targets()
    smallest = min(target["w"] for target in targets)
    found = []
    for target in (target for target in targets if target["w"] == smallest):
        others = [other for other in targets if other["id"] != target["id"]]
        if all(abs(other["x"] - target["x"]) + abs(other["y"] - target["y"]) > 4 for other in others):
            found.append(target["id"])
    return found[:count]


def test_twelve_clicks_then_the_score(race: ExplorerOnPage):
    race.press_button("Score")
    race.wait_for_status("Choose 12 more points first", PATIENCE)
    points = free_points(race, 13)
    for left, point in zip(range(11, 0, -1), points, strict=False):
        race.click_point(point)
        race.wait_for_status(f"{left} label{'s' * (left > 1)} left", PATIENCE)
    race.click_point(points[11])
    race.wait_for_status("All labels are chosen", PATIENCE)
    race.click_point(points[12])
    race.wait_for_status("Your 12 labels are spent", PATIENCE)
    before = race.pixels()
    race.press_button("Score")
    race.wait_for_status("One race is luck", PATIENCE)
    race.wait_for_change(before, PATIENCE)
    assert all(name in race.status() for name in ("you", "random", "margin", "BALD"))
    race.press_button("Undo")
    race.wait_for_status("All labels are chosen", PATIENCE)


def test_a_label_is_taken_back_with_shift(race: ExplorerOnPage):
    point = free_points(race, 1)[0]
    race.click_point(point)
    race.wait_for_status("11 labels left", PATIENCE)
    race.click_point(point)
    race.wait_for_status("has its label", PATIENCE)
    race.click_point(point, modifiers=["Shift"])
    race.wait_for_status("12 labels left", PATIENCE)


def test_keys_alone_choose_a_point(race: ExplorerOnPage):
    race.canvas.focus()
    race.page.keyboard.press("ArrowRight")
    race.page.keyboard.press("ArrowRight")
    race.page.keyboard.press("Enter")
    race.wait_until(lambda: race.status().startswith(("11 labels left", "This point has its label")))
