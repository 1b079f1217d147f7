"""Controls: ranges, and values free of a slider's rounding."""

import pytest

from bal_scenes.controls import Button, Choice, IntSlider, Slider, Toggle

SLIDER = Slider("noise", label="Noise", low=0.0, high=1.0, step=0.1)
LOG = Slider("prior", label="Prior", low=0.01, high=100.0, log=True)
COUNT = IntSlider("count", label="Points", low=1, high=9)
CHOICE = Choice("kind", label="Strategy", options={"BALD": "bald", "margin": "margin"})
TOGGLE = Toggle("shown", label="Show terms")


def test_steps_do_not_leave_rounding_errors_in_the_state():
    widget = SLIDER.build()
    widget.value = 0.1 + 0.2
    assert SLIDER.read(widget.value) == 0.3
    assert LOG.read(10**-1.3) == 0.0501


@pytest.mark.parametrize("control", [SLIDER, LOG, COUNT, CHOICE, TOGGLE])
def test_what_a_new_widget_holds_is_in_range(control):
    widget = control.build()
    assert widget.description == control.label
    control.check(control.read(widget.value))


@pytest.mark.parametrize(
    ("control", "value", "words"),
    [
        (SLIDER, 1.5, "noise: expected a number from 0 to 1, got 1.5"),
        (SLIDER, float("nan"), "noise: expected a number"),
        (LOG, 0.0, "prior: expected a number from 0.01 to 100"),
        (COUNT, 10, "count: expected a number from 1 to 9"),
        (CHOICE, "entropy", "kind: expected one of 'bald', 'margin', got 'entropy'"),
        (TOGGLE, 1, "shown: expected True or False"),
    ],
)
def test_values_out_of_range_are_refused(control, value, words):
    with pytest.raises(ValueError, match=words):
        control.check(value)


def test_a_primary_button_stands_out():
    assert Button("step", label="Step", primary=True).build().button_style == "primary"
    assert Button("step", label="Step").build().button_style == ""
