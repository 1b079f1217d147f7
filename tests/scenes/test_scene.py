"""Panels, scenes and ticks."""

import numpy as np
import pytest

from bal_scenes.scene import heat, line, panel, points, scene, tick_labels

ALT = "a line that rises from left to right"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.5, 3.1), (0, 0.03), (1, -1), (-250_000, 10), (7, 7.2)])
def test_ticks_are_few_round_evenly_spaced_and_inside(low, high):
    values, words = zip(*tick_labels(low, high), strict=True)
    assert 3 <= len(values) <= 8
    assert min(low, high) <= min(values) and max(values) <= max(low, high) + 1e-9
    steps = np.diff(values)
    np.testing.assert_allclose(steps, steps[0])
    assert f"{steps[0]:.0e}"[0] in "125"
    np.testing.assert_allclose([float(word.replace("−", "-")) for word in words], values, atol=1e-12)


def test_zero_has_no_sign():
    assert ("0.0" in dict(tick_labels(-0.5, 0.5)).values()) and "−0.0" not in dict(tick_labels(-0.5, 0.5)).values()


def test_a_panel_makes_room_for_its_words():
    bare, dressed = (
        panel(line([0, 1], [0, 1]), x_ticks=(), y_ticks=()),
        panel(heat(np.eye(2), x=(0, 1), y=(0, 1), bar="nats"), title="t", x_label="x", y_label="y"),
    )
    assert all(room > less for room, less in zip(dressed["margins"], bare["margins"], strict=True))


def test_layers_may_be_nested_and_keep_their_order():
    first, second, third = (points([i], [i]) for i in range(3))
    assert panel(first, [second, [third]])["layers"] == [first, second, third]


def test_a_legend_stands_where_a_layer_has_words_unless_told_otherwise():
    named = line([0], [0], label="mean")
    assert panel(named)["legend"] == "top right"
    assert panel(named, legend="")["legend"] == panel(line([0], [0]))["legend"] == ""


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: panel(x=(1, 1)), "x: expected two different finite numbers, got 1 and 1"),
        (lambda: panel(y=(0, np.inf)), "y: expected two different finite numbers"),
        (lambda: panel(legend="middle"), "legend: expected one of"),
        (lambda: scene(panel(), alt="a line"), "alt: expected a sentence of at least 6 words"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_a_scene_holds_what_it_was_given():
    one = panel(line([0, 1], [0, 1]))
    made = scene(one, alt=ALT, status="It rises.", width=300, height=200)
    assert made == {"width": 300, "height": 200, "alt": ALT, "status": "It rises.", "panels": [one]}
