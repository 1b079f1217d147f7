"""Place readings, and see every curve that still fits: notebook 01's explorer.

Dimensions: N readings, G places of a fine grid, D features, M sizes of a basis.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from bal_course.explorers.key import key_of
from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Preset, Scene, Slider, Toggle, stage
from bal_scenes.scene import Layer, Panel, band, bar_axis, bars, line, line_style, panel, points, scene, text
from bal_utils import data
from bal_utils.plotting import look_of
from bal_utils.runtime import stream
from bal_utils.theory import linear_regression
from bal_utils.theory.linear_regression import BASES, Belief, Prediction

RANGE = {"low": -4.0, "high": 4.0}  # where the features stand
PLANE = {"x": (-6.0, 6.0), "y": (-3.0, 4.0)}
MOST_READINGS, MOST_FEATURES, METER_NOISE = 100, 14, 0.2
PLACES_G = np.linspace(*PLANE["x"], 181)
ASKABLE_G = np.abs(PLACES_G) <= RANGE["high"]
LEFTMOST = (0, 2, 8, 10, 14, 15)  # readings of the meter before x = −2.2
NEXT = -1  # the id of the mark where a reading would teach most

Reading = tuple[int, float, float]  # id, input, target


@dataclass(frozen=True, kw_only=True)
class RegressionState:
    """How many readings of the meter are used, what the learner changed about them, and the model.

    `edits` hold (id, x, y): ids below `MOST_READINGS` are readings of the meter that were moved, the others were placed.
    """

    num_readings: int = 20
    edits: tuple[Reading, ...] = ()
    removed: tuple[int, ...] = ()
    basis: str = "bumps"
    num_features: int = 8
    prior_precision: float = 1.0
    noise_std: float = 0.2
    num_draws: int = 12
    draw: int = 0
    show_mle: bool = False


@stage
def meter() -> tuple[Reading, ...]:
    """All readings of the meter; the first twenty are those of the lesson."""
    parts = [data.sine_with_gap(count, METER_NOISE, seed) for count, seed in ((20, 3), (MOST_READINGS - 20, 4))]
    pairs = [
        pair for inputs, targets in parts for pair in zip(inputs[:, 0].tolist(), targets[:, 0].tolist(), strict=True)
    ]
    return tuple((index, x, y) for index, (x, y) in enumerate(pairs))


@stage
def readings(num_readings: int, edits: tuple[Reading, ...], removed: tuple[int, ...]) -> tuple[Reading, ...]:
    """The readings in use: the meter's first ones, as moved, then those placed by hand."""
    found = {reading[0]: reading for reading in meter()[:num_readings]}
    found |= {edit[0]: edit for edit in edits if edit[0] in found or edit[0] >= MOST_READINGS}
    return tuple(reading for index, reading in sorted(found.items()) if index not in removed)


def columns(used: tuple[Reading, ...]) -> tuple[np.ndarray, np.ndarray]:
    """inputs_N and targets_N."""
    table_N_3 = np.array(used, dtype=np.float64).reshape(-1, 3)
    return table_N_3[:, 1], table_N_3[:, 2]


@stage
def fit(
    used: tuple[Reading, ...], basis: str, num_features: int, alpha: float, beta: float
) -> tuple[Belief, Prediction]:
    """The posterior over the weights, and the posterior predictive over the plane."""
    inputs_N, targets_N = columns(used)
    features_N_D = BASES[basis](inputs_N, num_features, **RANGE)
    belief = linear_regression.posterior(features_N_D, targets_N, prior_precision=alpha, noise_precision=beta)
    features_G_D = BASES[basis](PLACES_G, num_features, **RANGE)
    return belief, linear_regression.predict(belief, features_G_D, noise_precision=beta)


@stage
def _evidences(used: tuple[Reading, ...], basis: str, alpha: float, beta: float) -> np.ndarray:
    """The log evidence of 1, 2, … features."""
    inputs_N, targets_N = columns(used)
    features_N_D = [BASES[basis](inputs_N, size, **RANGE) for size in range(1, MOST_FEATURES + 1)]
    precisions = {"prior_precision": alpha, "noise_precision": beta}
    return np.array([linear_regression.log_evidence(features, targets_N, **precisions) for features in features_N_D])


def number(value: float, decimals: int) -> str:
    """A number with a typographic minus, and no minus before zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def _fresh(state: RegressionState) -> int:
    """An id for one reading more."""
    return max([MOST_READINGS - 1, *(edit[0] for edit in state.edits)]) + 1


class Regression(Explorer):
    """Readings that can be placed, moved and removed; the posterior's curves, band and MAP curve; the evidence of sizes."""

    State = RegressionState
    hand: ClassVar = "click: a new reading · drag ● · Shift-click takes away · ▲ reads the meter"
    controls: ClassVar = (
        IntSlider("num_readings", label="Readings", low=0, high=MOST_READINGS),
        Slider("prior_precision", label="Prior precision α", low=0.001, high=1000, step=0.1, log=True),
        Button("draw_again", label="Draw again"),
        Slider("noise_std", label="Noise σ", low=0.05, high=1.5, step=0.05, more=True),
        Choice("basis", label="Basis", options=tuple(BASES), more=True),
        IntSlider("num_features", label="Features", low=1, high=MOST_FEATURES, more=True),
        IntSlider("num_draws", label="Curves drawn", low=0, high=60, more=True),
        Toggle("show_mle", label="Most likely curve", more=True),
    )
    presets: ClassVar = (
        Preset("What was believed before any reading?", {"num_readings": 0}),
        Preset("One reading in the gap: how far does it reach?", {"edits": ((MOST_READINGS, 1.2, 0.93),)}),
        Preset("What if readings on the left are taken away?", {"removed": LEFTMOST}),
        Preset("Three readings and a vague prior?", {"num_readings": 3, "prior_precision": 0.01}),
    )

    def compute(self, state: RegressionState) -> Scene:
        """The plane with readings, curves and band on the left, the evidence of every size on the right."""
        used = readings(state.num_readings, state.edits, state.removed)
        model = (state.prior_precision, 1 / state.noise_std**2)
        belief, prediction = fit(used, state.basis, state.num_features, *model)
        scores_M = _evidences(used, state.basis, *model)
        gain_G = 0.5 * np.log1p(prediction.epistemic_variance_N / prediction.noise_variance)
        asked = int(np.argmax(np.where(ASKABLE_G, gain_G, -np.inf)))
        alt = (
            f"{len(used)} readings, {state.num_draws} curves drawn from the posterior, the MAP curve and two nested bands; "
            f"beside them the evidence of 1 to {MOST_FEATURES} features as bars"
        )
        status = self._status(len(used), scores_M, state.num_features, PLACES_G[asked], gain_G[asked])
        plane = self._plane(state, used, belief, prediction, asked)
        panels = plane, self._sizes(scores_M, state.num_features), key_of(plane, (0.7, 0, 0.3, 0.34))
        return scene(*panels, alt=alt, status=status, width=940, height=470)

    def on_click(self, state: RegressionState, event: Event) -> RegressionState:
        """Places a reading; with Shift, takes away the one that was hit. On the triangle, the meter is read there."""
        if event.point == NEXT and not event.shift:
            return self._read(state, event.x)
        if event.shift and event.point in (None, NEXT):
            raise ValueError("Shift-click takes a reading away: aim at one of the dots.")
        if event.shift:
            edits = tuple(edit for edit in state.edits if edit[0] != event.point)
            gone = state.removed if event.point >= MOST_READINGS else (*state.removed, event.point)
            return replace(state, edits=edits, removed=gone)
        if event.point is not None:
            raise ValueError("There is a reading already. Drag it to move it, Shift-click to take it away.")
        return replace(state, edits=(*state.edits, (_fresh(state), round(event.x, 3), round(event.y, 3))))

    def on_drag(self, state: RegressionState, event: Event) -> RegressionState:
        """Moves a reading."""
        others = tuple(edit for edit in state.edits if edit[0] != event.point)
        return replace(state, edits=(*others, (event.point, round(event.x, 3), round(event.y, 3))))

    def draw_again(self, state: RegressionState) -> RegressionState:
        """Draws other curves from the same posterior."""
        return replace(state, draw=state.draw + 1)

    def _read(self, state: RegressionState, x: float) -> RegressionState:
        """The state with what the meter shows at this place: the true level and the meter's noise."""
        index = _fresh(state)
        noise = torch.randn(1, generator=stream(index, "regression explorer", "meter")).item()
        return replace(state, edits=(*state.edits, (index, round(x, 3), round(math.sin(x) + METER_NOISE * noise, 3))))

    def _plane(
        self, state: RegressionState, used: tuple[Reading, ...], belief: Belief, prediction: Prediction, asked: int
    ) -> Panel:
        mean_G, epistemic_G = prediction.mean_N, np.sqrt(prediction.epistemic_variance_N)
        layers = [
            self._band(mean_G, prediction.std_N, opacity=0.16, label="±2 sd, new reading"),
            self._band(mean_G, epistemic_G, opacity=0.3, label="±2 sd, curve alone"),
        ]
        features_G_D = BASES[state.basis](PLACES_G, state.num_features, **RANGE)
        if state.num_draws:
            weights_K_D = belief.draw(state.num_draws, stream(state.draw, "regression explorer"))
            curves_K_G = (weights_K_D @ features_G_D.T).clip(-50, 50)
            layers.append(line(PLACES_G, curves_K_G, colour="sky", width=1.2, label="drawn curves"))
        layers.append(line(PLACES_G, mean_G, width=3, label="mean = MAP"))
        inputs_N, targets_N = columns(used)
        if state.show_mle:
            features_N_D = BASES[state.basis](inputs_N, state.num_features, **RANGE)
            mle_G = features_G_D @ linear_regression.maximum_likelihood(features_N_D, targets_N)
            layers.append(line(PLACES_G, mle_G.clip(-50, 50), label="most likely (MLE)", **line_style(look_of("mle"))))
        names = [f"reading at {number(x, 1)}, {number(y, 1)}" for _, x, y in used]
        ids = [index for index, _, _ in used]
        layers.append(points(inputs_N, targets_N, colour="black", size=11, ids=ids, names=names, drag=True))
        below = mean_G[asked] - 2 * prediction.std_N[asked] - 0.25  # on the band it would lie on readings
        at = {"x": [PLACES_G[asked]], "y": [np.clip(below, PLANE["y"][0] + 0.25, PLANE["y"][1])]}
        style = {"shape": "triangle", "size": 18, "colour": "vermillion", "label": "click: read the meter here"}
        layers.append(points(**at, **style, ids=[NEXT], names=[f"ask here next, at {number(PLACES_G[asked], 1)}"]))
        words = {"title": "Click: place · Shift-click: remove · drag: move", "x_label": "x (hours)", "y_label": "y (m)"}
        return panel(*layers, **PLANE, **words, box=(0, 0, 0.7, 1), click_anywhere=True, legend="")

    def _band(self, mean_G: np.ndarray, std_G: np.ndarray, **style: float | str) -> Layer:
        return band(PLACES_G, (mean_G - 2 * std_G).clip(-50, 50), (mean_G + 2 * std_G).clip(-50, 50), **style)

    def _sizes(self, scores_M: np.ndarray, num_features: int) -> Panel:
        relative_M = np.exp(scores_M - scores_M.max())
        here = np.arange(MOST_FEATURES) == num_features - 1
        style = {"segments": ("", ""), "colours": ("grey", "blue")}
        layers = bars(np.stack([np.where(here, 0, relative_M), np.where(here, relative_M, 0)], axis=1), **style)
        layers.append(text(relative_M[here] + 0.03, np.flatnonzero(here), number(scores_M[here][0], 1), align="left"))
        axes = bar_axis([str(size) for size in range(1, MOST_FEATURES + 1)]) | {
            "x": (0, 1.35),
            "x_ticks": [(0, "0"), (1, "1")],
        }
        words = {"title": "Evidence by size", "x_label": "relative to the best", "y_label": "number of features"}
        return panel(*layers, **axes, **words, box=(0.7, 0.34, 0.3, 0.66))

    def _status(self, count: int, scores_M: np.ndarray, size: int, asked: float, gain: float) -> str:
        best = int(scores_M.argmax()) + 1
        better = scores_M.max() > scores_M[size - 1] + 0.05  # less would not show in one decimal
        verdict = f"{best} would have {number(scores_M.max(), 1)}" if better else "no size does better"
        return (
            f"One more reading would teach most at x = {number(asked, 1)}: {number(gain, 2)} nats. "
            f"{count} reading{'s' * (count != 1)}. Log evidence with {size} feature{'s' * (size != 1)}: "
            f"{number(scores_M[size - 1], 1)} nats, {verdict}."
        )
