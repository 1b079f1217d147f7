"""The explorer of notebook 10: its bars against scores by hand, its lessons in numbers, its handlers and corners."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import entr

from bal_course.explorers.pick_the_label import (
    CORNERS_C_2,
    PickTheLabel,
    PickTheLabelState,
    nearest_opinion,
    probabilities,
    scores,
)
from bal_scenes.base import Event

START = PickTheLabelState()
OPPOSED = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))  # each member is sure, of a class of its own
TOSS = ((0.5, 0.5),) * 3


def by_hand(opinions):
    """The scores that have a short formula, in NumPy, unscaled."""
    probs_K_C = probabilities(opinions)
    mean_C = probs_K_C.mean(axis=0)
    second, first = np.sort(mean_C)[-2:]
    shares_C = np.bincount(probs_K_C.argmax(axis=1), minlength=3) / len(probs_K_C)
    return {
        "least confidence": 1 - first,
        "margin": 1 - (first - second),
        "entropy": entr(mean_C).sum(),
        "vote entropy": entr(shares_C).sum(),
        "BALD = mean KL": entr(mean_C).sum() - entr(probs_K_C).sum(axis=1).mean(),
    }


def bought(explorer):
    words = explorer.scene["panels"][2]["layers"][-1]["words"]
    names = [name for _, name in explorer.scene["panels"][2]["y_ticks"]]
    return dict(zip(names, words, strict=True))


@pytest.mark.parametrize(("a", "b"), [(START.a, START.b), (OPPOSED, TOSS), (START.b, OPPOSED)])
def test_scores_are_those_of_the_formulas(a, b):
    found = scores(a, b, 1.0)
    largest = {"least confidence": 2 / 3, "margin": 1, "entropy": math.log(3)}
    for name, value in by_hand(a).items():
        other, most = by_hand(b)[name], largest.get(name, math.log(3))
        np.testing.assert_allclose(found[name], [value / most, other / most], atol=1e-9)


def test_the_length_of_a_gradient_is_bribed_by_features_and_nothing_else_is():
    plain, bribed = scores(START.a, START.b, 0.0), scores(START.a, START.b, 4.0)
    changed = [name for name in plain if plain[name] != bribed[name]]
    assert changed == ["gradient length"]
    assert (plain["gradient length"].pick, bribed["gradient length"].pick) == ("A", "B")
    # the doubts are equal, so only √(1 + 1) against √(9 + 1) is left
    same = scores(START.a, START.a, 3.0)["gradient length"]
    assert same.a == pytest.approx(math.sqrt(2 / 10)) and same.b == 1


def test_sure_and_opposed_against_a_coin_toss():
    found = scores(OPPOSED, TOSS, 1.0)
    assert found["BALD = mean KL"] == (1, 0) and found["vote entropy"] == (1, 0)
    assert found["error reduction"].pick == "A" and found["margin"].pick == "tie"  # both means have a tied favourite


def test_the_start_divides_the_strategies():
    picks = bought(PickTheLabel())
    assert picks["margin"] == picks["BALD = mean KL"] == "buys A" and picks["entropy"] == "buys B"
    assert picks["least confidence"] == "buys B"


def test_uniting_keeps_what_depends_on_the_mean_and_takes_the_disagreement_away():
    explorer = PickTheLabel()
    before = scores(explorer.state.a, explorer.state.b, 1.0)
    explorer.press("unite_a")
    after = scores(explorer.state.a, explorer.state.b, 1.0)
    for name in ("least confidence", "margin", "entropy", "gradient length"):
        np.testing.assert_allclose(after[name], before[name], atol=1e-5)  # opinions are rounded to six decimals
    assert after["BALD = mean KL"].a == after["vote entropy"].a == 0
    explorer.press("unite_b")
    assert bought(explorer)["BALD = mean KL"] == "tie" and "Cannot choose" in explorer.status
    explorer.undo()
    explorer.undo()
    assert explorer.state == START


def test_the_rows_that_flip_are_marked_until_others_do():
    explorer = PickTheLabel()
    assert explorer.state.flipped == ()
    explorer.press("unite_a")
    names = [name for _, name in explorer.scene["panels"][2]["y_ticks"]]
    before, after = (bought(PickTheLabel(PickTheLabelState(a=a))) for a in (START.a, explorer.state.a))
    assert [names[row] for row in explorer.state.flipped] == [name for name in names if before[name] != after[name]]
    marked = explorer.state.flipped
    explorer.move("members", 3)
    assert explorer.state.flipped == marked
    tint = next(layer for layer in explorer.scene["panels"][2]["layers"] if layer["kind"] == "rects")
    np.testing.assert_allclose((tint["y0"] + tint["y1"]) / 2, marked)
    explorer.undo()
    explorer.move("length", 0.0)
    assert [names[row] for row in explorer.state.flipped] == ["gradient length"]
    assert explorer.status.startswith("Changed their mind: gradient length.")


@pytest.mark.parametrize("preset", PickTheLabel.presets[1:3])
def test_presets_mark_what_flips_from_the_start(preset):
    plain = {name: value for name, value in preset.changes.items() if name != "flipped"}
    assert PickTheLabelState(**plain).after(START).flipped == preset.changes["flipped"]


def test_where_all_agree_no_mark_is_hidden():
    explorer = PickTheLabel()
    explorer.press("unite_a")
    marks = [layer for layer in explorer.scene["panels"][0]["layers"] if layer["kind"] == "points"]
    sizes = [layer["size"] for layer in marks]
    assert len(sizes) == 4 and all(small <= 0.75 * large for large, small in pairwise(sizes))


def test_a_single_member_cannot_disagree():
    found = PickTheLabel(PickTheLabelState(members=1))
    picks = bought(found)
    assert picks["BALD = mean KL"] == picks["vote entropy"] == picks["error reduction"] == "tie"


@pytest.mark.parametrize("corner", range(3))
def test_a_drag_to_a_corner_or_beyond_is_certainty(corner):
    explorer = PickTheLabel()
    x, y = CORNERS_C_2[corner] + (CORNERS_C_2[corner] - CORNERS_C_2.mean(axis=0))
    explorer.dispatch(Event(kind="drop", panel=1, point=4, x=float(x), y=float(y)))
    assert explorer.error is None
    np.testing.assert_allclose(probabilities(explorer.state.b)[1], np.eye(3)[corner])
    assert explorer.state.a == START.a and explorer.state.b[0] == START.b[0]


def test_places_and_opinions_agree():
    for x, y in np.random.default_rng(0).uniform([-0.2, -0.2], [1.2, 1.1], size=(200, 2)):
        first, second = nearest_opinion(x, y)
        assert min(first, second) >= 0 and first + second <= 1 + 1e-9
        place_2 = probabilities(((first, second),))[0] @ CORNERS_C_2
        inside = 0 <= y <= CORNERS_C_2[2, 1] and abs(x - 0.5) <= 0.5 - y / math.sqrt(3)
        assert not inside or np.abs(place_2 - (x, y)).max() < 0.02  # two roundings to 0.01


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("length", [0.0, 4.0])
@pytest.mark.parametrize("opinions", [OPPOSED, TOSS, ((1.0, 0.0),) * 3])
def test_corners_of_the_controls_work(members, length, opinions):
    explorer = PickTheLabel(PickTheLabelState(a=opinions, b=TOSS, members=members, length=length))
    assert explorer.error is None and len(explorer.scene["alt"].split()) > 10
    for layer in explorer.scene["panels"][2]["layers"]:
        if layer["kind"] == "rects":
            assert (layer["x1"] >= 0).all() and (layer["x1"] <= 1).all()


def test_the_same_state_gives_the_same_scene_and_survives_as_text():
    explorer, again = PickTheLabel(), PickTheLabel(PickTheLabelState(members=2))
    explorer.dispatch(Event(kind="drop", panel=0, point=0, x=0.5, y=0.3))
    again.restore(explorer.state_as_text())
    assert again.state == explorer.state and again.status == explorer.status
    for mine, other in zip(explorer.scene["panels"], again.scene["panels"], strict=True):
        for one, two in zip(mine["layers"], other["layers"], strict=True):
            np.testing.assert_equal(one, two)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": ((0.5, 0.6),) * 3}, "a: expected probabilities"),
        ({"b": ((0.5, -0.1),) * 3}, "b: expected probabilities"),
        ({"b": ((math.nan, 0.1),) * 3}, "b: expected"),
        ({"a": ((0.5, 0.5),) * 2}, "a: expected 3 opinions, got 2"),
        ({"members": 4}, "members"),
        ({"flipped": (7,)}, "flipped: expected numbers below 7"),
        ({"length": -1.0}, "length"),
    ],
)
def test_what_is_no_opinion_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PickTheLabel(PickTheLabelState(**changes))
