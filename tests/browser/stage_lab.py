"""An explorer that plays, with presets, more controls and a batch of ten, and a record of what the status line said."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bal_scenes.base import Button, Explorer, IntSlider, Play, Preset, Slider, Toggle
from bal_scenes.scene import class_points, contour, grid, heat, panel, points, scene

# every sentence that the status line shows from now on
HISTORY = """box => {
  const line = box.querySelector('.bal-status'), seen = window.seen = [line.textContent];
  new MutationObserver(() => { if (seen.at(-1) !== line.textContent) seen.push(line.textContent); })
    .observe(line, { childList: true, characterData: true, subtree: true });
}"""

PLANE = {"x": (-2, 2), "y": (-2, 2)}
GRID = grid(**PLANE, columns=40)
DOTS = np.random.default_rng(1).uniform(-1.8, 1.8, size=(16, 2))
NAMES = [f"dot {i}" for i in range(16)]
TEN = np.random.default_rng(2).normal(loc=(0.9, -0.9), scale=0.15, size=(10, 2))


@dataclass(frozen=True, kw_only=True)
class WalkState:
    width: float = 0.7
    day: int = 0
    flat: bool = False
    shift: float = 0.0
    chosen: int | None = None


class Walk(Explorer):
    """A hill that walks."""

    State = WalkState
    controls: ClassVar = (
        Slider("width", label="Width", low=0.2, high=1.2),
        IntSlider("day", label="Day", low=0, high=8),
        Slider("shift", label="Shift", low=-1.0, high=1.0, more=True),
        Toggle("flat", label="Flat", more=True),
        Button("step", label="Step", primary=True),
    )
    presets: ClassVar = (
        Preset("How far does it get?", {"day": 8}),
        Preset("What does a narrow hill do?", {"width": 0.3, "day": 2}),
    )
    play: ClassVar = Play("day", label="day", seconds=0.2)

    def compute(self, state: WalkState):
        middle = np.array([-1.5 + 0.35 * state.day, state.shift])
        values_R_C = np.exp(-((GRID - middle) ** 2).sum(axis=1) / state.width**2).reshape(40, 40)
        layers = (
            heat(values_R_C * (not state.flat), **PLANE, top=1, bar="height"),
            contour(values_R_C, 0.5, **PLANE, colour="black", width=3),
        )
        known = np.arange(state.day)
        marks = [
            points(
                *DOTS[state.day :].T,
                size=7,
                colour="grey",
                filled=False,
                ids=range(state.day, 16),
                names=NAMES[state.day :],
            ),
            *(class_points(DOTS[[i]], [i % 2], ids=[i], names=NAMES[i : i + 1], size=15, label="") for i in known),
            points(*TEN.T, shape="ring", size=18, colour="vermillion", labels=[str(rank) for rank in range(1, 11)]),
        ]
        plane = panel(*layers, marks, **PLANE, title="A hill", equal=True, click_anywhere=True)
        said = f"Day {state.day}, shift {state.shift}, width {state.width}, chosen {state.chosen}"
        return scene(plane, alt="A hill that walks over sixteen dots", status=said, width=560, height=480)

    def on_click(self, state: WalkState, event):
        return replace(state, chosen=event.point)

    def step(self, state: WalkState):
        if state.day == 8:
            raise ValueError("The walk is over.")
        return replace(state, day=state.day + 1)
