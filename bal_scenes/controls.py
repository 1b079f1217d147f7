"""What a learner can do: move controls, declared as data and tied to a field of the state, and act on the picture itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

WIDE = {"width": "310px"}
STYLE = {"description_width": "initial"}


def _check_range(field: str, value: Any, low: float, high: float) -> None:
    slack = 1e-9 * max(abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        raise ValueError(f"{field}: expected a number from {low:g} to {high:g}, got {value!r}")


@dataclass(frozen=True)
class Slider:
    """A slider for a real number. With `log` it runs in powers of ten and `step` is a part of such a power.

    As for every control, `more` moves it from the first few to those that "More" opens.
    """

    field: str
    _: KW_ONLY
    label: str
    low: float
    high: float
    step: float = 0.1
    log: bool = False
    continuous: bool = True
    format: str = ""
    more: bool = False

    def check(self, value: Any) -> None:
        """Raises ValueError where the value lies outside the slider."""
        _check_range(self.field, value, self.low, self.high)

    def build(self) -> Any:
        """The ipywidgets slider, at its lower end."""
        from ipywidgets import FloatLogSlider, FloatSlider

        common = {"description": self.label, "continuous_update": self.continuous, "layout": WIDE, "style": STYLE}
        if self.log:
            ends = {"min": math.log10(self.low), "max": math.log10(self.high), "value": self.low}
            return FloatLogSlider(base=10, step=self.step, readout_format=self.format or ".3g", **ends, **common)
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        ends = {"min": self.low, "max": self.high, "value": self.low}
        return FloatSlider(step=self.step, readout_format=self.format or f".{decimals}f", **ends, **common)

    def read(self, value: float) -> float:
        """The number that the learner means: without the rounding errors of a slider's steps."""
        return float(f"{value:.3g}") if self.log else round(float(value), 10)


@dataclass(frozen=True)
class IntSlider:
    """A slider for a whole number."""

    field: str
    _: KW_ONLY
    label: str
    low: int
    high: int
    step: int = 1
    continuous: bool = True
    more: bool = False

    def check(self, value: Any) -> None:
        """Raises ValueError where the value lies outside the slider."""
        _check_range(self.field, value, self.low, self.high)

    def build(self) -> Any:
        """The ipywidgets slider, at its lower end."""
        from ipywidgets import IntSlider as Widget

        ends = {"min": self.low, "max": self.high, "value": self.low, "step": self.step}
        return Widget(description=self.label, continuous_update=self.continuous, layout=WIDE, style=STYLE, **ends)

    def read(self, value: int) -> int:
        """The slider's number."""
        return int(value)


@dataclass(frozen=True)
class Choice:
    """A drop-down list: `options` are the values, or a mapping from the words shown to the values."""

    field: str
    _: KW_ONLY
    label: str
    options: Sequence[Any] | Mapping[str, Any]
    more: bool = False

    def check(self, value: Any) -> None:
        """Raises ValueError where the value is none of the options."""
        known = list(self.options.values() if isinstance(self.options, Mapping) else self.options)
        if value not in known:
            raise ValueError(f"{self.field}: expected one of {', '.join(map(repr, known))}, got {value!r}")

    def build(self) -> Any:
        """The ipywidgets drop-down, at its first option."""
        from ipywidgets import Dropdown

        options = list(self.options.items()) if isinstance(self.options, Mapping) else list(self.options)
        return Dropdown(description=self.label, options=options, layout={"width": "auto"}, style=STYLE)

    def read(self, value: Any) -> Any:
        """The chosen value."""
        return value


@dataclass(frozen=True)
class Toggle:
    """A box to tick, for a field that is True or False."""

    field: str
    _: KW_ONLY
    label: str
    more: bool = False

    def check(self, value: Any) -> None:
        """Raises ValueError where the value is not a truth value."""
        if not isinstance(value, bool):
            raise ValueError(f"{self.field}: expected True or False, got {value!r}")

    def build(self) -> Any:
        """The ipywidgets check box, empty."""
        from ipywidgets import Checkbox

        return Checkbox(description=self.label, indent=False, layout={"width": "auto"}, style=STYLE)

    def read(self, value: bool) -> bool:
        """Whether the box is ticked."""
        return bool(value)


@dataclass(frozen=True)
class Button:
    """A button that calls the explorer's method `action(state)`, which returns the next state.

    `slow` says that this takes longer than a glance: the status line shows it at once. `primary` makes it stand out and
    puts it before all other controls.
    """

    action: str
    _: KW_ONLY
    label: str
    slow: bool = False
    primary: bool = False
    more: bool = False

    def build(self) -> Any:
        """The ipywidgets button."""
        from ipywidgets import Button as Widget

        return Widget(description=self.label, button_style="primary" if self.primary else "", layout={"width": "auto"})


Control = Slider | IntSlider | Choice | Toggle | Button

HANDLERS = {"click": "on_click", "drag": "on_drag", "drop": "on_drag", "hover": "on_hover", "key": "on_key"}


@dataclass(frozen=True)
class Preset:
    """A chip above the picture: a short question, and the fields of its state that differ from the defaults."""

    question: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Play:
    """The field that is time: ▶ goes through its values, in the place of its control.

    `values` are those of the field's control unless given; `seconds` is how long each is shown at the first speed. With
    `auto` a browser begins to play by itself where the moments appear and the first is shown.
    """

    field: str
    _: KW_ONLY
    label: str
    values: Sequence[Any] = ()
    seconds: float = 0.4
    auto: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """One action of the learner on the picture. Places are in the units of the panel's axes.

    `kind` is "click", "drag" (under way), "drop" (its end), "hover" or "key"; `panel` is None when the pointer has left.
    `point` is the id of the mark or image that was hit, or None; `key` is the key that was pressed. "preset" and "moment"
    are the engine's own: `point` is the number of the chip, or of the moment that the scrubber has reached.
    """

    kind: str
    panel: int | None = None
    x: float | None = None
    y: float | None = None
    point: int | None = None
    shift: bool = False
    key: str | None = None
