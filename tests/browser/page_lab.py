"""An explorer whose scenes hold every kind of thing a page must show, and that page as a test works it."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bal_scenes.base import Choice, Explorer, IntSlider, Slider, Toggle
from bal_scenes.scene import bars, contour, grid, heat, line, panel, points, scene

PLANE = {"x": (-2, 2), "y": (-2, 2)}
DOTS = np.random.default_rng(0).normal(size=(300, 2)).clip(-1.9, 1.9)


@dataclass(frozen=True, kw_only=True)
class WaveState:
    kind: str = "sine"
    pitch: float = 1.0
    seed: int = 1
    holes: bool = False
    star: tuple[float, float] = (0.5, 0.0)


class Wave(Explorer):
    State = WaveState
    controls: ClassVar = (
        Choice("kind", label="Kind", options={"a sine": "sine", "100 % square": "square"}),
        Slider("pitch", label="Pitch", low=0.5, high=3.0, step=0.5),
        IntSlider("seed", label="Seed", low=0, high=9),
        Toggle("holes", label="Holes"),
    )

    def compute(self, state):
        g_G_2 = grid(**PLANE, columns=40)
        values_G = np.sin(state.pitch * g_G_2[:, 0] + state.seed) * np.cos(g_G_2[:, 1])
        values_G = np.tanh(5 * values_G) if state.kind == "square" else values_G
        values_R_C = (
            np.where(values_G < -0.5, np.nan, values_G).reshape(40, 40) if state.holes else values_G.reshape(40, 40)
        )
        marks = points(*DOTS.T, size=6, filled=False, ids=range(300), names=[f"dot {i}" for i in range(300)])
        star = points([state.star[0]], [state.star[1]], shape="star", size=20, colour="vermillion", label="the star")
        maps = heat(values_R_C, **PLANE, bar="height"), contour(values_R_C, [0, 0.4], **PLANE, colour="black")
        plane = panel(*maps, marks, star, **PLANE, title="Waves", equal=True, box=(0, 0, 0.6, 1), click_anywhere=True)
        right = panel(line([0, 1], [0, 1], opacity=0.5), bars([[state.pitch, 1.0]], totals="{:.1f}", segments="ab"),
                      x=(0, 5), box=(0.6, 0, 0.4, 1), x_label="pitch")  # fmt: skip
        said = f"{state.kind} {state.pitch} {state.seed} {state.holes}"
        return scene(plane, right, alt="Waves as a heat map with dots and one star", status=said)

    def on_click(self, state, event):
        raise ValueError("The page must not ask.")


class WavePage:
    """The page as someone works it who has no pointer."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.canvas = page.locator("canvas.bal-picture")
        page.locator("canvas.bal-picture[data-drawn]").wait_for(timeout=30_000)
        page.wait_for_timeout(100)

    def status(self) -> str:
        return self.page.locator(".bal-status").inner_text().strip()

    def pixels(self) -> str:
        """The picture after the next frame of the screen."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.canvas.evaluate("canvas => canvas.toDataURL()")

    def press(self, label: str, key: str) -> None:
        self.page.get_by_label(label, exact=True).focus()
        self.page.keyboard.press(key)


def as_source(value: Any) -> str:
    """A scene as JavaScript, its arrays as the DataViews that the widget receives."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{as_source(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(as_source, value)) + "]"
    if isinstance(value, (np.ndarray, bytes)):
        return f"new DataView(new Uint8Array({list(value if isinstance(value, bytes) else value.tobytes())}).buffer)"
    return json.dumps(value)
