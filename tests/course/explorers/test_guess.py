"""The guessing game: choosing, the score, and no answer before its time."""

from itertools import combinations

import numpy as np
import pytest
import torch

from bal_course.explorers.guess import GuessState, GuessTheQuery, digits_game
from bal_scenes.base import Event
from bal_scenes.canvas import packed
from bal_utils.data import balanced_start, load_images, standardise
from bal_utils.models import MLP
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, fit, initialised

IMAGES = np.random.default_rng(0).random((20, 8, 8))
SCORES = np.random.default_rng(1).random(20)
BEST = sorted(range(20), key=lambda i: -SCORES[i])[:5]


@pytest.fixture
def game():
    return GuessTheQuery(IMAGES, SCORES)


def choose(game, *images):
    for image in images:
        game.dispatch(Event(kind="click", panel=0, point=image))


def test_images_are_chosen_counted_and_taken_back(game):
    choose(game, 3, 7)
    assert game.status == "You have chosen two of five."
    choose(game, 3)
    assert game.state.chosen == (7,)
    game.undo()
    assert game.state.chosen == (3, 7)
    choose(game, None)
    assert game.state.chosen == (3, 7)


def test_nothing_of_the_scores_shows_before_the_answer(game):
    other = GuessTheQuery(IMAGES, SCORES[::-1])
    for chosen in ((), (1, 2), (1, 2, 3, 4, 5)):
        state = GuessState(chosen=chosen)
        assert packed(game.compute(state)) == packed(other.compute(state))
    revealed = GuessState(chosen=(1, 2, 3, 4, 5), revealed=True)
    assert packed(game.compute(revealed)) != packed(other.compute(revealed))


def test_the_answer_waits_for_five(game):
    choose(game, 1, 2, 3)
    game.press("reveal")
    assert game.status == "Choose two more, then press Reveal."
    assert not game.state.revealed
    choose(game, 4, 5, 6)
    assert "take it back" in game.status
    assert game.state.chosen == (1, 2, 3, 4, 5)
    game.press("reveal")
    assert game.state.revealed
    choose(game, 9)
    assert "Reset" in game.status


@pytest.mark.parametrize("counted", range(6))
def test_what_is_counted_so_far_is_drawn_and_said(game, counted):
    mine = (1, 2, 3, 4, 5)
    scene = game.compute(GuessState(chosen=mine, revealed=True, counted=counted))
    bars = [layer for layer in scene["panels"][1]["layers"] if layer["kind"] == "rects"]
    sums = [max(layer["x1"], default=0.0) for layer in bars]
    own = sorted(SCORES[list(mine)], reverse=True)[:counted]
    np.testing.assert_allclose(sums, [SCORES[BEST[:counted]].sum(), sum(own), counted * SCORES.mean()], rtol=1e-6)
    assert f"{sum(own):.2f}" in scene["status"] and ("among BALD's" in scene["status"]) == (counted == 5)


def test_without_a_browser_all_is_counted_at_once_and_with_one_from_the_start(game):
    choose(game, 1, 2, 3, 4, 5)
    game.press("reveal")
    assert game.state.counted == 5
    game.undo()
    assert game.widget and not game.state.revealed
    game.press("reveal")
    assert game.state.counted == 0
    for moment in (1, 2):
        game.dispatch(Event(kind="moment", point=moment))
    assert game.state.counted == 2
    game.undo()
    assert game.state == GuessState(chosen=(1, 2, 3, 4, 5))


def test_where_one_only_looks_nothing_asks_for_a_click():
    game = GuessTheQuery(IMAGES, SCORES, state=GuessState(looks=True))
    told = [words for panel in game.scene["panels"] for layer in panel["layers"] for words in layer.get("words", ())]
    assert "click" not in " ".join([game.status, *told])


def test_the_large_button_in_the_picture_reveals(game):
    choose(game, 20)
    assert game.status == "Choose five more, then press Reveal."
    choose(game, 1, 2, 3, 4, 5, 20)
    assert game.state.revealed
    game.undo()
    assert game.state.chosen == (1, 2, 3, 4, 5) and not game.state.revealed


def test_what_the_model_knows_stands_beside_until_the_answer():
    game = GuessTheQuery(IMAGES, SCORES, known_M_H_W=IMAGES[:9])
    titles = [panel["title"] for panel in game.scene["panels"]]
    assert titles[1:] == ["The model knows these labels", "Your five"]
    (layer,) = game.scene["panels"][1]["layers"]
    np.testing.assert_array_equal(layer["pixels"], ((1 - IMAGES[:9]) * 255).round().astype(np.uint8).ravel())
    choose(game, *BEST, 20)
    assert "The model knows these labels" not in [panel["title"] for panel in game.scene["panels"]]


def test_a_bar_is_built_from_the_scores_of_its_labels(game):
    choose(game, 0, 1, 2, 3, 4)
    game.press("reveal")
    bald, yours, random = (layer for layer in game.scene["panels"][1]["layers"] if layer["kind"] == "rects")
    np.testing.assert_allclose(bald["x1"] - bald["x0"], SCORES[BEST], atol=1e-6)
    np.testing.assert_allclose(sorted(yours["x1"] - yours["x0"]), sorted(SCORES[list(game.state.chosen)]), atol=1e-6)
    np.testing.assert_allclose(random["x1"], SCORES.mean() * np.arange(1, 6), atol=1e-6)


def test_presets_are_played_games(game):
    least = tuple(sorted(range(20), key=lambda i: SCORES[i])[:5])
    for place, chosen in enumerate((tuple(BEST), least, (0, 1, 2, 3, 4))):
        game.dispatch(Event(kind="preset", point=place))
        assert game.state == GuessState(chosen=chosen, revealed=True)
    game.undo()
    assert game.state.chosen == least


def test_without_images_the_game_is_that_of_the_first_notebook():
    """Here in the notebook's own words: one sum over masks at a time."""
    from bal_utils.theory.information import log_mean_exp

    images_N_H_W, scores_N, known_M_H_W = digits_game()
    digits = load_images("digits")
    labelled = balanced_start(digits.train_labels, 2, stream(0, "start")).tolist()
    np.testing.assert_allclose(known_M_H_W, digits.train_images[labelled, 0].numpy() / 255)
    pool = [index for index in range(len(digits.train_labels)) if index not in set(labelled)]
    twenty = torch.randperm(len(pool), generator=stream(0, "guess"))[:20]
    np.testing.assert_allclose(images_N_H_W, digits.train_images[pool][twenty, 0].numpy() / 255)
    network = initialised(lambda: MLP(64, 10, hidden=(256, 256)), seed=0)
    inputs = standardise(digits.train_images)
    training = FitConfig(learning_rate=3e-3, epoch_samples=1024, max_epochs=20)
    fit(network, inputs[labelled], digits.train_labels[labelled], config=training, seed=0)
    log_probs_N_K_C = sample_log_probs(network, inputs[pool], 20, generator=stream(0, "masks"))[twenty]
    mean_N_C = log_mean_exp(log_probs_N_K_C, 1).exp()
    entropy_N = -(mean_N_C * mean_N_C.log()).sum(-1)
    noise_N = -(log_probs_N_K_C.exp() * log_probs_N_K_C).sum(-1).mean(1)
    np.testing.assert_allclose(scores_N, (entropy_N - noise_N).clamp_min(0).numpy(), atol=1e-4)


def test_bald_itself_scores_everything(game):
    choose(game, *BEST)
    game.press("reveal")
    total = sum(SCORES[i] for i in BEST)
    assert game.status.startswith("Five of your five are among BALD's.")
    assert f"carry {total:.2f} nats, 100 % of BALD's {total:.2f}" in game.status


def test_the_random_score_is_the_mean_over_all_choices():
    scores = np.array([0.0, 0.1, 0.5, 0.2, 0.9, 0.3, 0.05])
    game = GuessTheQuery(IMAGES[:7], scores, picks=3, state=GuessState(chosen=(0, 1, 4), revealed=True))
    expected = np.mean([sum(chosen) for chosen in combinations(scores, 3)])
    assert f"three random ones carry {expected:.2f} on average" in game.status
    assert game.status.startswith("One of your three is among BALD's.")


def test_scores_of_zero_are_no_error():
    game = GuessTheQuery(IMAGES, np.zeros(20), state=GuessState(chosen=(0, 1, 2, 3, 9), revealed=True))
    assert game.error is None
    assert "0.00 nats;" in game.status


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"images_N_H_W": IMAGES[:19]}, "images_N_H_W 19, scores_N 20"),
        ({"images_N_H_W": IMAGES[None]}, "images_N_H_W: expected 3 dimension"),
        ({"images_N_H_W": 255 * IMAGES}, "images_N_H_W: expected ink from 0 to 1"),
        ({"known_M_H_W": 255 * IMAGES}, "known_M_H_W: expected ink from 0 to 1"),
        ({"scores_N": np.where(SCORES > 0.5, np.nan, SCORES)}, "scores_N: expected finite scores"),
        ({"scores_N": SCORES - 2}, "scores_N: expected finite scores of at least 0, got -"),
        ({"picks": 20}, "picks: expected 1 to 19, got 20"),
        ({"picks": 0}, "picks: expected 1 to 19, got 0"),
        ({"state": GuessState(chosen=(1, 1))}, "different numbers below 20"),
        ({"state": GuessState(chosen=(25,))}, "different numbers below 20"),
        ({"state": GuessState(chosen=(1,), revealed=True)}, "expected 5 chosen images first, got 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        GuessTheQuery(**{"images_N_H_W": IMAGES, "scores_N": SCORES} | arguments)
