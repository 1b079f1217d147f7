"""The explorer of notebook 13: its batches against the package's own choice, its lesson in numbers, its handlers."""

import math

import numpy as np
import pytest
import torch

from bal_course.explorers import best_ten
from bal_course.explorers.best_ten import IMAGES, MOST, BestTen, BestTenState, batches, pool
from bal_scenes.base import Event
from bal_utils.acquisition import bald_scores
from bal_utils.batchbald import batchbald_batch, joint_mutual_information


def rows(picks, samples):
    return pool()[1][list(picks), :samples]


@pytest.mark.parametrize(("samples", "copies"), [(2, 1), (20, 3), (100, 4)])
def test_batches_are_worth_what_enumeration_says(samples, copies):
    for batch in batches(samples, copies).values():
        exact = [joint_mutual_information(rows(batch.picks[:size], samples)) for size in (1, 2, 3, 4)]
        assert batch.growth[1:3] == pytest.approx(exact[:2], abs=1e-9)  # 100 configurations are all kept
        # 400 kept configurations: at most log K / (2 √400) = 0.12 of standard error, thinned ones are far better
        assert batch.growth[3:5] == pytest.approx(exact[2:], abs=0.05)


@pytest.mark.parametrize(("samples", "copies"), [(5, 2), (20, 3), (100, 4)])
def test_batchbald_chooses_what_the_package_chooses(samples, copies):
    batch = batches(samples, copies)["BatchBALD"]
    theirs = batchbald_batch(pool()[1][:, :samples].repeat(copies, 1, 1), MOST)
    assert list(batch.picks[:3]) == [place % IMAGES for place in theirs.indices[:3]]  # both exact so far
    assert batch.worth == pytest.approx(theirs.scores[-1], abs=0.06)
    assert max(batch.picks.count(place) for place in batch.picks) <= copies


@pytest.mark.parametrize(("samples", "copies"), [(7, 1), (20, 3), (50, 4)])
def test_bald_takes_all_copies_of_the_highest_scores(samples, copies):
    scores = bald_scores(pool()[1][:, :samples])
    best = scores.argsort(descending=True, stable=True).tolist()
    assert list(batches(samples, copies)["BALD"].picks) == [best[rank // copies] for rank in range(MOST)]


def test_the_lesson_holds():
    """With copies BALD repeats itself and is worth less; without, little lies between the two; log K ends it all."""
    with_copies, without = batches(100, 4), batches(100, 1)
    assert with_copies["BALD"].different == 3 < 7 <= with_copies["BatchBALD"].different
    assert with_copies["BatchBALD"].worth > with_copies["BALD"].worth + 0.2
    assert without["BatchBALD"].worth - without["BALD"].worth < 0.15
    few = batches(2, 4)
    assert all(math.log(2) - 0.05 < batch.worth <= math.log(2) for batch in few.values())
    sums = np.cumsum(bald_scores(pool()[1])[list(with_copies["BALD"].picks)].numpy())
    assert sums[-1] > 1.3 * with_copies["BALD"].worth


@pytest.mark.parametrize("batch", [1, MOST])
@pytest.mark.parametrize("samples", [2, 100])
@pytest.mark.parametrize("copies", [1, 4])
def test_the_corners_of_the_sliders_work(batch, samples, copies):
    explorer = BestTen(BestTenState(batch=batch, samples=samples, copies=copies))
    assert explorer.error is None and ("nats" in explorer.status)
    marks = [
        layer for layer in explorer.scene["panels"][0]["layers"] if layer["kind"] == "points" and len(layer["x"]) == 1
    ]
    assert len(marks) == batch


def test_a_longer_batch_begins_with_the_shorter():
    short, long = BestTen(BestTenState(batch=4)), BestTen(BestTenState(batch=9))
    for name in ("BALD", "BatchBALD"):
        assert batches(20, 3)[name].first(4).picks == batches(20, 3)[name].first(9).picks[:4]
    assert short.status != long.status


def test_images_have_the_numbers_of_the_status_and_ranks_stay_on_their_card():
    layers = BestTen(BestTenState(batch=10, copies=4)).scene["panels"][0]["layers"]
    numbers = next(layer for layer in layers if layer["kind"] == "text" and len(layer["words"]) == IMAGES)
    assert numbers["words"] == [str(number) for number in range(1, IMAGES + 1)]
    picks = batches(20, 4)["BALD"].picks
    marks = [layer for layer in layers if layer["kind"] == "points"]
    for place, mark in zip(picks, marks, strict=True):
        assert (
            abs(mark["x"][0] - (place % 4 + 0.5)) < 0.46 - 0.1 and abs(mark["y"][0] - (place // 4 + 0.5)) < 0.46 - 0.1
        )


def test_first_picks_are_filled_and_copies_hollow():
    layers = BestTen(BestTenState(batch=4, copies=3)).scene["panels"][0]["layers"]
    assert [layer["filled"] for layer in layers if layer["kind"] == "points"] == [True, False, False, True]


def test_the_status_tells_saturation_and_copies():
    assert "nearly all that 2 samples can tell apart: log K = 0.69" in BestTen(BestTenState(samples=2)).status
    assert BestTen(BestTenState(batch=1)).status.startswith("Both chose the same")
    assert "4 different images, 6 copies" in BestTen(BestTenState(copies=3)).status
    assert "hold one image, 1 copy" in BestTen(BestTenState(batch=2, samples=3, copies=2)).status


def test_a_click_asks_about_an_image_and_a_second_lets_go():
    explorer = BestTen()
    explorer.dispatch(Event(kind="click", panel=1, x=0.5, y=0.5, point=IMAGES + 3))
    assert explorer.state.asked == 3
    score = bald_scores(pool()[1][3:4, :20]).item()
    assert f"Image 4 alone would tell {score:.2f}; a copy of it after BatchBALD's 10 only" in explorer.status
    explorer.dispatch(Event(kind="click", panel=0, x=0.5, y=0.5, point=3))
    assert explorer.state.asked == -1
    explorer.dispatch(Event(kind="click", panel=2, x=0.5, y=0.5))
    assert explorer.state.asked == -1 and explorer.error is None
    explorer.undo()
    assert explorer.state.asked == 3


def test_the_gain_of_the_image_asked_about_is_a_difference_of_joint_informations():
    state = BestTenState(batch=2, samples=30, copies=2, asked=5)
    picks = batches(30, 2)["BatchBALD"].picks[:2]
    gain = joint_mutual_information(rows([*picks, 5], 30)) - joint_mutual_information(rows(picks, 30))
    assert f"only {gain:.2f}." in BestTen(state).status


def test_computing_changes_nothing_and_repeats_itself():
    before = torch.random.get_rng_state()
    first = BestTen().scene
    best_ten.batches.cache_clear()
    again = BestTen().scene
    assert first["status"] == again["status"] and first["alt"] == again["alt"]
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("state", [BestTenState(asked=IMAGES), BestTenState(batch=0), BestTenState(samples=1)])
def test_a_state_outside_is_refused(state):
    with pytest.raises(ValueError, match="expected"):
        BestTen(state)
