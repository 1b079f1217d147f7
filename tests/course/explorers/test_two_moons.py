"""The TwoMoons explorer as a function of its state: lanes, time, clicks, extremes, what is computed again and what is not."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bal_course.explorers import moons
from bal_course.explorers.moons import NUM_POOL, STRATEGIES, term_maps
from bal_course.explorers.two_moons import (
    GOAL,
    PRESETS,
    SCALES,
    Terms,
    TwoMoons,
    TwoMoonsState,
    batch_after,
    history,
    kind_of_place,
    labels_after,
    lanes_of,
    setting_after,
)
from bal_scenes.base import Event

QUICK = {"posterior": "one network"}


@pytest.fixture
def explorer():
    found = TwoMoons()
    assert found.error is None
    return found


def lane(explorer, number=0):
    return lanes_of(explorer.state)[number]


def labelled(explorer, number=0):
    return labels_after(lane(explorer, number), explorer.state.rounds)


def click(explorer, point, shift=False, panel=0):
    explorer.dispatch(Event(kind="click", panel=panel, x=0.0, y=0.0, point=point, shift=shift))


def play(explorer, moment):
    explorer.dispatch(Event(kind="moment", point=moment))
    assert explorer.error is None and explorer.state.rounds == moment


def test_nothing_is_imported_once_a_hand_moves_the_shown_explorer():
    program = """
import sys, threading
from bal_course.explorers.moons import POSTERIORS
from bal_course.explorers.two_moons import TwoMoons
explorer = TwoMoons()
explorer.widget
for thread in threading.enumerate():
    if thread is not threading.main_thread() and not thread.daemon:
        thread.join()
before = set(sys.modules)
for posterior in POSTERIORS:
    explorer.move("posterior", posterior)
    explorer.press("step")
assert explorer.error is None
print(len(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20, "a second's worth of modules would be hundreds"


def test_the_terms_add_up_on_every_place():
    (only,) = lanes_of(TwoMoonsState())
    total, noise, taught, probs = term_maps(setting_after(only, 0), 20)
    np.testing.assert_allclose(total, noise + taught, atol=1e-6)
    assert taught.min() > -1e-6 and total.max() <= np.log(2) + 1e-6 and probs.min() >= 0 and probs.max() <= 1


def test_a_click_labels_and_shift_takes_back(explorer):
    point = batch_after(lane(explorer), 0)[0]
    click(explorer, point)
    assert explorer.state.asked == ((0, 0, point),) and labelled(explorer)[-1] == point
    click(explorer, point)
    assert "Click with Shift" in explorer.status
    click(explorer, point, shift=True)
    assert explorer.state.asked == ()
    first = labelled(explorer)[0]
    click(explorer, first, shift=True)
    assert explorer.state.dropped == (first,) and first not in labelled(explorer)
    click(explorer, first)
    assert labelled(explorer)[-1] == first and explorer.error is None
    explorer.undo()
    explorer.undo()
    assert first in labelled(explorer)


def test_one_class_is_enough_and_the_last_label_stays():
    explorer = TwoMoons(TwoMoonsState(start=2, **QUICK))
    one, last = labelled(explorer)
    click(explorer, one, shift=True)
    assert explorer.error is None and "1 label;" in explorer.status
    click(explorer, last, shift=True)
    assert "The last label stays" in explorer.status and labelled(explorer) == (last,)


def test_step_buys_what_was_ringed_and_the_curve_grows(explorer):
    explorer.set(batch=7, strategy="entropy", **QUICK)
    shown = batch_after(lane(explorer), 0)
    explorer.press("step")
    assert labelled(explorer)[-7:] == shown and explorer.state.rounds == 1
    explorer.press("step")
    assert history(lane(explorer), 2)[0] == [6, 13, 20]
    explorer.undo()
    assert labelled(explorer)[-7:] == shown


def test_the_scrubber_ends_where_there_are_thirty_labels(explorer):
    assert list(explorer.moments(explorer.state)) == list(range(GOAL - 6 + 1))
    assert list(explorer.moments(TwoMoonsState(batch=7))) == [0, 1, 2, 3, 4]
    assert list(explorer.moments(TwoMoonsState(start=20, batch=20))) == [0, 1]
    beyond = TwoMoonsState(rounds=30, batch=20)
    assert list(explorer.moments(beyond)) == list(range(31))


def test_two_lanes_start_alike_and_buy_what_each_strategy_asks():
    race = TwoMoons(TwoMoonsState(compare="margin", noise=0.3, **QUICK))
    assert labelled(race, 0) == labelled(race, 1)
    play(race, 3)
    for number, strategy in enumerate(("bald", "margin")):
        single = TwoMoons(TwoMoonsState(strategy=strategy, noise=0.3, **QUICK))
        play(single, 3)
        assert labelled(race, number) == labelled(single), "a lane is the run of its strategy alone"
    curves = [layer for layer in race.scene["panels"][3]["layers"] if layer["kind"] == "points"]
    assert [len(curve["x"]) for curve in curves] == [4, 4]
    assert "BALD " in race.status and "Margin " in race.status and "9 labels, worth:" in race.status


def test_a_click_buys_in_the_lane_of_its_map():
    race = TwoMoons(TwoMoonsState(compare="margin", **QUICK))
    click(race, batch_after(lane(race), 0)[0], panel=1)
    assert [len(labelled(race, number)) for number in (0, 1)] == [6, 7]


def test_the_past_stays_when_a_control_moves_and_the_future_is_forgotten(explorer):
    explorer.set(**QUICK)
    play(explorer, 4)
    bought = labelled(explorer)
    explorer.move("strategy", "margin")
    explorer.move("samples", 7)
    assert labelled(explorer) == bought, "labels are bought once"
    play(explorer, 2)
    assert labelled(explorer) == bought[:8] and list(explorer.moments(explorer.state))[-1] == 24
    play(explorer, 4)
    assert labelled(explorer) == bought, "what lies ahead is still there"
    play(explorer, 2)
    explorer.move("strategy", "random")
    assert len(explorer.state.asked) == 2
    play(explorer, 4)
    assert labelled(explorer)[:8] == bought[:8] and labelled(explorer) != bought


@pytest.mark.parametrize(
    "change", [("data", "blobs"), ("noise", 0.3), ("seed", 4), ("start", 9), ("compare", "margin")]
)
def test_another_pool_or_rival_begins_at_the_start(explorer, change):
    explorer.set(**QUICK)
    play(explorer, 2)
    explorer.move(*change)
    assert explorer.error is None and explorer.state.rounds == 0 and explorer.state.asked == ()


def test_a_scene_without_a_record_is_the_run_itself(explorer):
    """A stored page asks for rounds and knows no record."""
    explorer.set(**QUICK)
    play(explorer, 3)
    scene = explorer.compute(replace(explorer.state, asked=()))
    assert scene["status"] == explorer.status
    assert labels_after(lanes_of(replace(explorer.state, asked=()))[0], 3) == labelled(explorer)


def test_a_replay_trains_nothing_and_a_race_is_one_step_of_undo(explorer):
    explorer.set(compare="margin", **QUICK)
    for moment in (1, 2, 3):
        play(explorer, moment)
    before, scene = moons.sample.cache_info().misses, explorer.scene
    for moment in (0, 1, 2, 3):
        play(explorer, moment)
    assert moons.sample.cache_info().misses == before and explorer.scene is scene
    explorer.undo()
    assert explorer.state.rounds == 0 and explorer.state.asked == ()


def test_hover_on_the_curve_shows_the_labels_of_that_moment(explorer):
    explorer.set(**QUICK)
    play(explorer, 4)
    here = explorer.scene["panels"][0]
    explorer.dispatch(Event(kind="hover", panel=2, x=7.6, y=0.8))
    assert explorer.state.seen == 2 and "8 labels" in explorer.status
    then = explorer.scene["panels"][0]
    assert [sum(len(layer["x"]) for layer in panel["layers"] if layer.get("size") == 15) for panel in (here, then)] == [
        10,
        8,
    ]
    assert len(explorer.scene["panels"][2]["layers"]) == len(TwoMoons(explorer.state).scene["panels"][2]["layers"])
    explorer.dispatch(Event(kind="hover", panel=None))
    assert explorer.state.seen is None and "10 labels" in explorer.status
    explorer.dispatch(Event(kind="hover", panel=2, x=9.0, y=0.8))
    click(explorer, batch_after(lane(explorer), 4)[0])
    assert len(labelled(explorer)) == 11


def test_the_random_band_is_measured_once(explorer):
    explorer.set(**QUICK)
    misses = moons.random_band.cache_info().misses
    play(explorer, 3)
    explorer.move("strategy", "margin")
    click(explorer, batch_after(lane(explorer), 3)[0])
    assert moons.random_band.cache_info().misses == misses


@pytest.mark.slow
def test_a_full_pool_has_nothing_left_to_ask():
    known = labels_after(lanes_of(TwoMoonsState())[0], 0)
    asked = tuple((0, 0, index) for index in range(NUM_POOL) if index not in known)
    explorer = TwoMoons(TwoMoonsState(asked=asked, batch=20, **QUICK))
    assert "Every point is labelled" in explorer.status and explorer.error is None
    explorer.press("step")
    assert "nothing left to ask" in explorer.status


@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_every_strategy_alone_and_in_a_race(explorer, strategy):
    explorer.set(strategy=strategy, samples=5, batch=3)
    assert explorer.error is None and len(explorer.scene["panels"]) == 3
    layer = explorer.scene["panels"][0]["layers"][0]
    scale = SCALES.get(strategy, {"low": 0.0})
    assert layer["low"] == pytest.approx(
        min(scale["low"], layer["values"].min() if not SCALES.get(strategy) else np.inf)
    )
    if strategy in SCALES:
        assert layer["high"] == pytest.approx(scale["top"])
        assert layer["values"].min() >= layer["low"] - 1e-5 and layer["values"].max() <= layer["high"] + 1e-5
    explorer.set(compare="bald")
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
        {"data": "spiral", "compare": "epig", "terms": True},
    ],
    ids=str,
)
def test_extremes_are_shown(explorer, extreme):
    explorer.set(**extreme)
    assert explorer.error is None and "label" in explorer.status
    for layer in (layer for panel in explorer.scene["panels"] for layer in panel["layers"]):
        if layer["kind"] == "heat":
            assert np.isfinite(layer["values"]).all()


@pytest.mark.parametrize("number", range(len(PRESETS)), ids=[preset.question for preset in PRESETS])
def test_every_chip_has_a_scene(explorer, number):
    explorer.dispatch(Event(kind="preset", point=number))
    assert explorer.error is None and explorer.state == explorer.preset_states[number]
    explorer.undo()
    assert explorer.state == TwoMoonsState()


def test_one_network_cannot_disagree_with_itself_and_its_map_says_so(explorer):
    explorer.set(**QUICK)
    np.testing.assert_allclose(term_maps(setting_after(lane(explorer), 0), 20)[2], 0, atol=1e-6)
    words = [layer["words"] for layer in explorer.scene["panels"][0]["layers"] if layer["kind"] == "text"]
    assert words == [["the same everywhere"]]


def test_samples_strategy_batch_and_rival_train_nothing(explorer):
    worths = len(moons.KNOWN_WORTHS)
    before = moons.sample.cache_info().misses
    explorer.move("samples", 33)
    explorer.move("strategy", "margin")
    explorer.move("batch", 4)
    explorer.move("terms", True)
    explorer.move("compare", "entropy")
    explorer.dispatch(Event(kind="hover", panel=0, x=0.4, y=0.2))
    assert (moons.sample.cache_info().misses, len(moons.KNOWN_WORTHS)) == (before, worths)
    explorer.move("posterior", "ensemble")
    trained = moons.sample.cache_info().misses
    explorer.move("dropout", 0.7)  # of no concern to an ensemble
    assert moons.sample.cache_info().misses == trained


def test_hover_describes_the_place_and_leaves_no_trace(explorer):
    explorer.dispatch(Event(kind="hover", panel=0, x=2.8, y=-1.9))
    assert explorer.state.at == (2.8, -1.9) and explorer.status.startswith("Here, ")
    explorer.dispatch(Event(kind="hover", panel=None))
    assert explorer.state.at is None and "BALD asks there next" in explorer.status
    explorer.undo()
    assert "nothing to undo" in explorer.status


def test_points_say_place_and_opinion(explorer):
    marks = [layer for layer in explorer.scene["panels"][0]["layers"] if layer.get("names")]
    names = [name for layer in marks for name in layer["names"]]
    assert len(names) == NUM_POOL and any("−" in name for name in names)
    assert all(" at " in name or name.startswith("asked for as number 1 at") for name in names)
    assert any("the networks agree on class" in name for name in names)


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
    assert explorer.status.startswith("The network ")


def test_a_scene_survives_as_text(explorer):
    explorer.set(strategy="margin", batch=2, **QUICK)
    explorer.press("step")
    text, picture = explorer.state_as_text(), explorer.scene
    explorer.reset()
    explorer.restore(text)
    assert explorer.state.asked and explorer.scene["status"] == picture["status"]
    point = explorer.state.asked[0][2]
    with pytest.raises(ValueError, match="asked: expected different points of the pool"):
        explorer.restore(text.replace(f"[1, 0, {point}]", "[1, 0, 999]"))
    with pytest.raises(ValueError, match="asked: expected rounds of at least 0 and the lanes 0 and 1"):
        explorer.restore(text.replace(f"[1, 0, {point}]", f"[1, 2, {point}]"))


def test_the_picture_is_a_function_of_the_state():
    first, second = TwoMoons(), TwoMoons()
    second.set(strategy="margin")
    second.set(strategy="bald")
    assert first.scene["status"] == second.scene["status"]
    np.testing.assert_array_equal(
        first.scene["panels"][0]["layers"][0]["values"], second.scene["panels"][0]["layers"][0]["values"]
    )


@pytest.mark.parametrize("more", [{"terms": True}, {"compare": "margin"}])
def test_maps_are_drawn_in_one_size_and_stay_where_they_are(more):
    explorer = TwoMoons(TwoMoonsState(**QUICK, **more))

    def inner():
        width = explorer.scene["width"]
        return [
            (width * panel["box"][2] - panel["margins"][0] - panel["margins"][2], tuple(panel["box"]))
            for panel in explorer.scene["panels"][: 3 if "terms" in more else 2]
        ]

    first = inner()
    assert max(width for width, _ in first) - min(width for width, _ in first) < 2  # pixels
    explorer.set(strategy="entropy", posterior="ensemble")
    assert inner() == first


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
