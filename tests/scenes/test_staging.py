"""Chips, play and More without a browser; minus signs, and labels that do not lie on each other."""

import numpy as np
import pytest
from ipywidgets import Accordion, Button, Checkbox, FloatSlider, IntSlider
from stage_lab import Walk, WalkState
from widget_parts import parts

from bal_scenes.base import Event, Explorer, Play, Preset
from bal_scenes.canvas import Canvas
from bal_scenes.controls import IntSlider as Whole
from bal_scenes.labels import LETTER, LINE, label_offsets
from bal_scenes.scene import area_of, contour, panel, points, scene, text
from bal_scenes.ticks import with_minus


@pytest.fixture
def walk():
    return Walk()


def canvas_of(explorer):
    (canvas,) = parts(explorer.widget, Canvas)
    return canvas


def test_a_chip_leads_to_its_state_and_undo_goes_back(walk):
    walk.move("width", 0.5)
    walk.dispatch(Event(kind="preset", point=1))
    assert walk.state == WalkState(width=0.3, day=2), "whatever was set before"
    assert canvas_of(walk).chosen == 1
    walk.undo()
    assert walk.state == WalkState(width=0.5) and canvas_of(walk).chosen == -1


def test_a_chip_whose_state_cannot_be_is_found_at_once():
    class Wrong(Walk):
        presets = (Preset("What if it is late?", {"day": 9}),)

    with pytest.raises(ValueError, match="day: expected a number from 0 to 8, got 9"):
        Wrong()


def test_moments_are_those_of_the_control_or_those_given(walk):
    assert list(walk.moments(walk.state)) == list(range(9))

    class Few(Walk):
        play = Play("day", label="day", values=(0, 4, 8))

    few = Few()
    few.dispatch(Event(kind="moment", point=1))
    assert few.state.day == 4
    canvas = canvas_of(few)
    assert (canvas.play["words"], canvas.moment) == (["0", "4", "8"], 1)
    few.set(day=5)
    assert canvas.moment == -1, "between two moments"


def test_a_play_is_one_step_of_undo_and_what_was_computed_is_kept(walk):
    computed = []
    real = walk.compute
    walk.compute = lambda state: computed.append(state.day) or real(state)
    for place in (1, 2, 3):
        walk.dispatch(Event(kind="moment", point=place))
    for place in (2, 1, 3):
        walk.dispatch(Event(kind="moment", point=place))
    assert computed == [1, 2, 3]
    walk.undo()
    assert walk.state.day == 0
    walk.undo()
    assert "nothing to undo" in walk.status


def test_only_the_next_moment_is_shown_with_motion(walk):
    canvas = canvas_of(walk)
    for place, motion in ((1, True), (2, True), (4, False), (3, False)):
        walk.dispatch(Event(kind="moment", point=place))
        assert canvas.motion is motion
    walk.press("step")
    assert canvas.motion and walk.state.day == 4
    walk.move("width", 0.5)
    assert not canvas.motion


def test_a_moment_that_is_not_there_is_a_sentence(walk):
    walk.dispatch(Event(kind="moment", point=99))
    assert walk.error is not None and walk.state == WalkState()


def test_more_holds_its_controls_step_comes_first_and_time_has_no_slider(walk):
    few, more = walk.widget.children[0].children[0].children
    assert isinstance(few.children[0], Button) and few.children[0].description == "Step"
    assert isinstance(more, Accordion) and more.selected_index is None and more.get_title(0) == "More"
    assert {type(found) for found in more.children[0].children} == {FloatSlider, Checkbox}
    assert parts(walk.widget, IntSlider) == []


def test_an_explorer_without_time_keeps_its_sliders():
    class Still(Explorer):
        State = WalkState
        controls = (Whole("day", label="Day", low=0, high=8),)
        compute = Walk.compute

    canvas = canvas_of(Still())
    assert (canvas.play, canvas.moment, canvas.presets) == ({}, -1, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("at (-0.3, -2)", "at (−0.3, −2)"),
        ("got -3", "got −3"),
        ("-.5 to 1", "−.5 to 1"),
        ("2-32-2 and 0-9", "2-32-2 and 0-9"),
        ("MC-dropout, 1e-5", "MC-dropout, 1e-5"),
        ("x = -∞", "x = −∞"),
        ("--field", "--field"),
    ],
)
def test_a_minus_sign_stands_before_numbers_only(words, told):
    assert with_minus(words) == told
    marks = points([0], [0], names=[words], labels=[words])
    plane = panel(marks, text(0, 0, words), title=words, x_ticks=[(0, words)])
    made = scene(plane, alt=f"one mark beside two words: {words}", status=words)
    found = made["panels"][0]
    assert found["layers"][0]["names"] == found["layers"][0]["labels"] == found["layers"][1]["words"] == [told]
    assert (found["title"], found["x_ticks"], made["status"]) == (told, [(0, told)], told)


def rectangle(middle, words):
    extent = np.array([LETTER * len(words), LINE])
    return np.r_[middle - extent / 2, middle + extent / 2]


@pytest.mark.parametrize("seed", range(5))
def test_ten_ranks_in_a_crowd_do_not_lie_on_each_other(seed):
    marks_N_2 = np.random.default_rng(seed).normal(scale=12, size=(10, 2))
    words = [str(rank) for rank in range(1, 11)]
    offsets = np.array(label_offsets(marks_N_2, words, size=18))
    boxes = [rectangle(place, word) for place, word in zip(marks_N_2 + offsets, words, strict=True)]
    for i in range(10):
        for j in range(i):
            overlap = np.minimum(boxes[i][2:], boxes[j][2:]) - np.maximum(boxes[i][:2], boxes[j][:2])
            assert overlap.min() <= 1e-9, (words[i], words[j])


def test_a_label_alone_stands_to_the_upper_right_and_marks_far_apart_do_not_matter():
    alone = label_offsets(np.zeros((1, 2)), ["7"], size=20)
    assert alone[0][0] > 10 and alone[0][1] < 0
    assert label_offsets(np.array([[0.0, 0.0], [500.0, 0.0]]), ["7", "7"], size=20) == [alone[0], alone[0]]


def test_the_area_of_a_panel_is_found_as_the_canvas_does():
    made = panel(x=(0, 2), y=(0, 1), x_ticks=(), y_ticks=(), equal=True)
    left, top, width, height = area_of(made, 400, 400)
    assert width == pytest.approx(2 * height) and left + width / 2 == pytest.approx((14 + 400 - 16) / 2)
    assert top + height / 2 == pytest.approx((14 + 400 - 12) / 2)


def test_contours_have_halos():
    assert contour(np.eye(4), 0.5, x=(0, 1), y=(0, 1))["halo"]
