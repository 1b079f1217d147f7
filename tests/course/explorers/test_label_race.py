"""The race: the learner's picks, the rules, the rivals' curves from the same start."""

import numpy as np
import pytest

from bal_course.explorers import label_race, moons
from bal_course.explorers.label_race import (
    BUDGET,
    FAR_APART,
    RIVALS,
    ROUND,
    ROUNDS,
    START,
    LabelRace,
    LabelRaceState,
    known_after,
)
from bal_scenes.base import Event


def picks_for(state, count=BUDGET):
    return tuple(index for index in range(60) if index not in known_after(state, ()))[:count]


@pytest.fixture
def race():
    found = LabelRace()
    assert found.error is None
    return found


def click(race, point, shift=False):
    race.dispatch(Event(kind="click", panel=0, x=0.0, y=0.0, point=point, shift=shift))


@pytest.mark.slow
def test_clicks_label_and_shift_takes_back(race):
    first, second = picks_for(race.state, 2)
    click(race, first)
    click(race, second)
    assert race.state.picks == (first, second) and "10 labels left" in race.status
    click(race, first)
    assert "has its label" in race.status
    click(race, first, shift=True)
    assert race.state.picks == (second,)
    click(race, known_after(race.state, ())[0], shift=True)
    assert "has its label" in race.status  # the first labels are the same for all


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"seed": 1}, {"noise": 0.4}])
def test_other_moons_are_another_race(race, other):
    picks = picks_for(race.state, 2)
    for point in picks:
        click(race, point)
    ((field, value),) = other.items()
    race.move(field, value)
    assert getattr(race.state, field) == value and race.state.picks == ()
    race.undo()
    assert race.state.picks == picks


@pytest.mark.slow
def test_the_score_waits_for_all_labels_and_no_more_are_given():
    state = LabelRaceState()
    race = LabelRace(LabelRaceState(picks=picks_for(state, BUDGET - 1)))
    race.press("score")
    assert "Choose 1 more" in race.status and not race.state.scored
    click(race, picks_for(state)[-1])
    click(race, 150)
    assert "labels are spent" in race.status
    race.press("score")
    assert race.state.scored and "One race is luck" in race.status
    assert all(name in race.status for name in ("you", "random", "margin", "BALD"))
    click(race, race.state.picks[0], shift=True)
    assert not race.state.scored  # a changed set of labels wants a new score


@pytest.mark.slow
def test_rivals_start_where_the_learner_does_and_take_as_many():
    state = LabelRaceState()
    first = set(known_after(state, ()))
    for strategy in RIVALS:
        picks = label_race.rival_picks(state.noise, state.seed, strategy)
        assert len(set(picks)) == BUDGET and not first & set(picks)
    curves = label_race.rival_curves(state.noise, state.seed)
    begin = moons.worth(state.noise, state.seed, known_after(state, ()))
    for name in ("random", "margin", "BALD"):
        assert len(curves[name]) == BUDGET // ROUND + 1
        assert curves[name][0] == pytest.approx(begin, abs=2 / moons.NUM_TEST + 1e-9)


def test_the_same_picks_have_the_same_curve():
    state = LabelRaceState()
    picks = label_race.rival_picks(state.noise, state.seed, "bald")
    own = label_race.own_curve(LabelRaceState(picks=picks))
    np.testing.assert_allclose(
        own, label_race.rival_curves(state.noise, state.seed)["BALD"], atol=2 / moons.NUM_TEST + 1e-9
    )


@pytest.mark.slow
def test_the_rounds_of_a_scored_race_show_the_labels_so_far():
    race = LabelRace(LabelRaceState(picks=FAR_APART[5], scored=True, shown="BALD"))
    bald = label_race.rival_picks(0.2, 5, "bald")
    assert list(race.moments(race.state)) == [0, 1, 2, 3, 4]
    for number in (0, 2, 4):
        race.set(round=number)
        ids = {i for layer in race.scene["panels"][0]["layers"] if layer.get("size") == 15 for i in layer["ids"]}
        assert ids == {*known_after(race.state, ()), *bald[: ROUND * number]}
        curves = [layer for layer in race.scene["panels"][1]["layers"] if layer["kind"] == "points"]
        assert [len(layer["x"]) for layer in curves] == [number + 1] * 4
    click(race, picks_for(race.state, 30)[-1])
    assert "These are the labels of BALD" in race.status


@pytest.mark.parametrize("seed", FAR_APART)
def test_the_preset_takes_the_point_farthest_from_all_that_are_labelled(seed):
    field_P_2, state = moons.moons(0.2, seed).pool_P_2, LabelRaceState(seed=seed)
    known = list(known_after(state, ()))
    for pick in FAR_APART[seed]:
        distance_P = np.linalg.norm(field_P_2[:, None] - field_P_2[known][None], axis=2).min(axis=1)
        assert pick == int(distance_P.argmax())
        known.append(pick)
    assert list(LabelRace().moments(state)) == [ROUNDS]  # nothing to play before the score


@pytest.mark.slow
def test_a_point_is_named_by_its_place_and_what_the_networks_think():
    state = LabelRaceState()
    fitted = moons.Setting(0.2, 5, known_after(state, ()), "ensemble", 0.0)
    votes_P = moons.sample(fitted).first(moons.MEMBERS).pool_P_K_C.argmax(dim=-1).sum(dim=-1).tolist()
    for index, name in enumerate(label_race.opinions(fitted, list(range(30)))):
        expected = {0: "agree on class 0", moons.MEMBERS: "agree on class 1"}.get(
            votes_P[index], f"{votes_P[index]} for"
        )
        assert expected in name and name.startswith("point at ")


def test_picks_outside_the_rules_are_refused():
    for picks in ((1, 1), (-1,), (moons.NUM_POOL,), tuple(range(BUDGET + 1))):
        with pytest.raises(ValueError, match=f"picks: expected up to {BUDGET} different points"):
            LabelRace(LabelRaceState(picks=picks))
    assert START + BUDGET == 16
