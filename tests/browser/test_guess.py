"""The guessing game of the first notebook in a real browser, played by mouse and by keyboard."""

from collections.abc import Iterator

import pytest
from browser_lab import ExplorerOnPage
from gallery import Gallery
from stage_lab import HISTORY


@pytest.fixture
def game(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The game, with nothing chosen; whatever a test did, nothing may have crashed."""
    explorer = gallery.restart("GuessTheQuery", "none of five")
    yield explorer
    gallery.check(explorer)


def test_five_clicks_and_reveal_show_the_answer(game: ExplorerOnPage):
    before = game.pixels()
    for image in (0, 4, 9, 13, 19):
        game.click_point(image)
    game.wait_for_status("five of five")
    chosen = game.wait_for_change(before)
    game.press_button("Reveal")
    game.wait_for_status("among BALD's")
    assert "nats" in game.status()
    assert game.wait_for_change(chosen) != before


def test_the_answer_is_counted_label_by_label_and_is_one_step_of_undo(game: ExplorerOnPage):
    for image in (0, 4, 9, 13, 19):
        game.click_point(image)
    game.wait_for_status("five of five")
    game.box.evaluate(HISTORY)
    game.press_button("Reveal")
    game.wait_for_status("among BALD's")
    seen = game.page.evaluate("window.seen")
    counted = [words.split(".")[0].removeprefix("Labels counted: ") for words in seen if "counted" in words]
    assert counted == ["none", "one", "two", "three", "four"]
    game.press_button("Undo")
    game.wait_for_status("five of five")


def test_the_game_is_played_without_a_mouse(game: ExplorerOnPage):
    before = game.pixels()
    game.canvas.focus()
    for key in ["ArrowLeft"] * 5 + ["ArrowUp"] * 4:  # to the first image, wherever an earlier game ended
        game.page.keyboard.press(key)
    for _ in range(5):
        game.page.keyboard.press("Enter")
        game.page.keyboard.press("ArrowRight")
    game.wait_for_status("five of five")
    chosen = game.wait_for_change(before)
    reveal = game.box.get_by_role("button", name="Reveal", exact=True)
    reveal.focus()
    game.page.keyboard.press("Enter")
    game.wait_for_status("among BALD's")
    assert game.wait_for_change(chosen) != before


def test_the_answer_waits_for_five(game: ExplorerOnPage):
    game.click_point(7)
    game.wait_for_status("one of five")
    game.press_button("Reveal")
    game.wait_for_status("Choose four more")
    game.press_button("Undo")
    game.wait_for_status("none of five")
