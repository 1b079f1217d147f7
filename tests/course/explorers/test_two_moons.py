"""The TwoMoons explorer as a function of its state: lesson, clicks, extremes, what is computed again and what is not."""

import numpy as np
import pytest

from bal_course.explorers import moons
from bal_course.explorers.moons import NUM_POOL, STRATEGIES, term_maps
from bal_course.explorers.two_moons import (
    GOAL,
    Terms,
    TwoMoons,
    TwoMoonsState,
    batch_of,
    history,
    kind_of_place,
    labelled,
    legible,
)
from bal_course.explorers.two_moons import setting as setting_of
from bal_scenes.base import Event


@pytest.fixture
def explorer():
    found = TwoMoons()
    assert found.error is None
    return found


def click(explorer, point, shift=False):
    explorer.dispatch(Event(kind="click", panel=0, x=0.0, y=0.0, point=point, shift=shift))


def test_the_terms_add_up_on_every_place():
    total, noise, taught, probs = term_maps(setting_of(TwoMoonsState()), 20)
    np.testing.assert_allclose(total, noise + taught, atol=1e-6)
    assert taught.min() > -1e-6 and total.max() <= np.log(2) + 1e-6 and probs.min() >= 0 and probs.max() <= 1


@pytest.mark.slow
def test_a_click_labels_and_shift_takes_back(explorer):
    point = batch_of(explorer.state)[0]
    click(explorer, point)
    assert explorer.state.asked == (point,) and point in labelled(explorer.state)
    click(explorer, point)
    assert "Click with Shift" in explorer.status and explorer.state.asked == (point,)
    click(explorer, point, shift=True)
    assert explorer.state.asked == ()
    first = labelled(explorer.state)[0]
    click(explorer, first, shift=True)
    assert explorer.state.dropped == (first,) and first not in labelled(explorer.state)
    explorer.undo()
    assert first in labelled(explorer.state)


def test_a_point_taken_back_can_be_labelled_again(explorer):
    first = labelled(explorer.state)[0]
    click(explorer, first, shift=True)
    click(explorer, first)
    assert first in labelled(explorer.state) and explorer.error is None


@pytest.mark.slow
def test_one_class_is_enough_and_the_last_label_stays(explorer):
    *others, last = labelled(explorer.state)
    for point in others:
        click(explorer, point, shift=True)
        assert explorer.error is None
    click(explorer, last, shift=True)
    assert "The last label stays" in explorer.status and labelled(explorer.state) == (last,)
    explorer.reset()
    assert explorer.status.startswith("6 labels. ")
    explorer.undo()
    assert explorer.status.startswith("1 label. ")


def test_step_takes_the_batch_that_was_shown_and_run_goes_to_the_goal(explorer):
    explorer.set(batch=7, posterior="one network", strategy="entropy")
    shown = batch_of(explorer.state)
    explorer.press("step")
    assert explorer.state.asked == shown and len(labelled(explorer.state)) == 13
    explorer.press("run")
    assert len(labelled(explorer.state)) == GOAL and explorer.state.batch == 7
    assert history(explorer.state)[0] == [6, 13, 20, 27, 30]
    explorer.press("run")
    assert f"Run goes to {GOAL}" in explorer.status
    explorer.undo()
    assert explorer.state.asked == shown


@pytest.mark.slow
def test_a_full_pool_has_nothing_left_to_ask():
    known = set(labelled(TwoMoonsState()))
    asked = tuple(index for index in range(NUM_POOL) if index not in known)
    explorer = TwoMoons(TwoMoonsState(posterior="one network", asked=asked, batch=20))
    assert "Every point is labelled" in explorer.status and explorer.error is None
    explorer.press("step")
    assert "nothing left to ask" in explorer.status


@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_every_strategy_alone_and_beside_another(explorer, strategy):
    explorer.set(strategy=strategy, compare="bald", samples=5, batch=3)
    assert explorer.error is None and len(explorer.scene["panels"]) == 4
    assert explorer.scene["panels"][1]["title"] == "BALD"


@pytest.mark.parametrize(
    "extreme",
    [
        {"samples": 1},
        {"dropout": 0.0},
        {"dropout": 0.9},
        {"noise": 0.0},
        {"noise": 0.5},
        {"start": 2},
        {"posterior": "one network", "terms": True},
        {"posterior": "ensemble", "samples": 100},
        {"posterior": "Laplace", "samples": 1, "batch": 20, "strategy": "batchbald"},
        {"samples": 1, "strategy": "batchbald", "batch": 5},
    ],
    ids=str,
)
def test_extremes_are_shown(explorer, extreme):
    explorer.set(**extreme)
    assert explorer.error is None and "come out right" in explorer.status
    for layer in (layer for panel in explorer.scene["panels"] for layer in panel["layers"]):
        if layer["kind"] == "heat":
            assert np.isfinite(layer["values"]).all()


def test_one_network_cannot_disagree_with_itself(explorer):
    explorer.set(posterior="one network")
    maps = term_maps(setting_of(explorer.state), explorer.state.samples)
    np.testing.assert_allclose(maps[2], 0, atol=1e-6)


def test_samples_strategy_and_batch_train_nothing(explorer):
    before = moons.sample.cache_info().misses, moons.worth.cache_info().misses
    explorer.set(samples=33)
    explorer.set(strategy="margin")
    explorer.set(batch=4, terms=True)
    explorer.dispatch(Event(kind="hover", panel=0, x=0.4, y=0.2))
    assert (moons.sample.cache_info().misses, moons.worth.cache_info().misses) == before
    explorer.set(posterior="ensemble")
    trained = moons.sample.cache_info().misses
    explorer.set(dropout=0.7)  # of no concern to an ensemble
    assert moons.sample.cache_info().misses == trained


def test_hover_describes_the_place_and_leaves_no_trace(explorer):
    explorer.dispatch(Event(kind="hover", panel=0, x=2.8, y=-1.9))
    assert explorer.state.at == (2.8, -1.9) and "Here," in explorer.status
    explorer.dispatch(Event(kind="hover", panel=None))
    assert explorer.state.at is None and "asks next where" in explorer.status
    explorer.undo()
    assert "nothing to undo" in explorer.status


@pytest.mark.parametrize(
    "noise, taught, words",
    [(0.02, 0.01, "agree on class 1"), (0.1, 0.5, "contradict"), (0.6, 0.05, "toss-up: a label"), (0.3, 0.3, "mix")],
)
def test_the_reason_follows_from_the_terms(noise, taught, words):
    assert words in kind_of_place(Terms(noise=noise, taught=taught, prob=0.9))


@pytest.mark.parametrize("doubt, words", [(0.1, "the network is sure of class 1"), (0.6, "no other can contradict it")])
def test_a_single_network_has_nobody_to_agree_with(doubt, words):
    assert words in kind_of_place(Terms(noise=doubt, taught=0.0, prob=0.9), alone=True)


@pytest.mark.parametrize("alone", [{"posterior": "one network"}, {"samples": 1}])
def test_the_status_speaks_of_a_single_network(explorer, alone):
    explorer.set(**alone)
    assert "asks next where the network " in explorer.status


def test_a_scene_survives_as_text(explorer):
    explorer.set(strategy="margin", batch=2, posterior="one network")
    explorer.press("step")
    text, picture = explorer.state_as_text(), explorer.scene
    explorer.reset()
    explorer.restore(text)
    assert explorer.state.asked and explorer.scene["status"] == picture["status"]
    with pytest.raises(ValueError, match="asked: expected different points of the pool"):
        explorer.restore(text.replace('"asked": [', '"asked": [999, '))


def test_the_picture_is_a_function_of_the_state():
    first, second = TwoMoons(), TwoMoons()
    second.set(strategy="margin")
    second.set(strategy="bald")
    assert first.scene["status"] == second.scene["status"]
    np.testing.assert_array_equal(
        first.scene["panels"][0]["layers"][0]["values"], second.scene["panels"][0]["layers"][0]["values"]
    )


def test_numbers_of_a_batch_are_shown_where_they_do_not_hide_each_other():
    assert legible(np.array([0.0, 0.1, 1.0, 0.0]), np.array([0.0, 0.1, 0.0, 0.5])) == ["1", "", "3", "4"]


def test_the_three_terms_are_drawn_in_one_size():
    explorer = TwoMoons(TwoMoonsState(posterior="one network", terms=True))
    width = explorer.scene["width"]
    inner = [
        width * panel["box"][2] - panel["margins"][0] - panel["margins"][2] for panel in explorer.scene["panels"][:3]
    ]
    assert max(inner) - min(inner) < 2  # pixels


def test_the_cross_marks_a_place_only_while_it_is_pointed_at(explorer):
    def shapes():
        return {layer.get("shape") for layer in explorer.scene["panels"][0]["layers"]}

    assert "cross" not in shapes()
    explorer.dispatch(Event(kind="hover", panel=0, x=0.4, y=0.2))
    assert "cross" in shapes()


def test_rounding_errors_get_no_colours():
    """Without dropout all samples are one network: BALD is zero but for rounding, and the map must look flat."""
    explorer = TwoMoons(TwoMoonsState(dropout=0.0, samples=100))
    layer = explorer.scene["panels"][0]["layers"][0]
    assert np.ptp(layer["values"]) < 0.02 * (layer["high"] - layer["low"])
