"""Dropout left on: a fan of functions, its mean and band, beside a Gaussian process; what K, dropout and the gap do to them.

Dimensions: N data points, G places of a fine grid, K passes.
"""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy import ndarray

from bal_scenes.base import Event, Explorer, IntSlider, Play, Preset, Scene, Slider, Toggle, stage
from bal_scenes.scene import Panel, band, line, line_style, panel, points, rects, scene, text
from bal_utils.data import sine_with_gap
from bal_utils.models import MLP
from bal_utils.plotting import look_of
from bal_utils.posteriors.mc_dropout import sample_outputs
from bal_utils.training.fit import FitConfig, fit, initialised

NUM_POINTS, NOISE, SEED = 60, 0.2, 0
HIDDEN = (64, 64)
SCHEDULE = FitConfig(learning_rate=1e-2, batch_size=NUM_POINTS, max_epochs=500)
MOST_PASSES = 200
COUNTED = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 140, 200)  # the passes that ▶ goes through
WIDEST, WIDTH_STEP, NOT_HELD = 5.0, 0.5, -1.0  # of the gap
CENTRE = 1.25  # of the gap
PLANE = {"x": (-6.0, 6.0), "y": (-3.0, 5.0)}
PLACES_G = np.linspace(*PLANE["x"], 121)
GAP_PLACE, DATA_PLACE = (int(np.abs(PLACES_G - place).argmin()) for place in (CENTRE, -2.0))
AMPLITUDE, LENGTH = 1.2, 1.9  # of the Gaussian process: what scikit-learn finds for the data of the lesson


@dataclass(frozen=True, kw_only=True)
class DropoutLeftOnState:
    """How many passes K, the probability of dropping a unit, the width of the gap, and whether a reference is shown.

    `held` is the width under the learner's hand, for which there is no network yet, or -1.
    """

    passes: int = 30
    dropout: float = 0.1
    gap: float = 2.5
    reference: bool = True
    held: float = NOT_HELD

    @property
    def edges(self) -> tuple[float, float]:
        """The ends of the gap that is drawn."""
        half = (self.gap if self.held == NOT_HELD else self.held) / 2
        return CENTRE - half, CENTRE + half


@stage
def data(gap: float) -> tuple[ndarray, ndarray]:
    """The data, inputs_N and targets_N, with a gap of this width around its centre."""
    ends = (CENTRE - gap / 2, CENTRE + gap / 2)
    return tuple(values_N_1[:, 0].numpy() for values_N_1 in sine_with_gap(NUM_POINTS, NOISE, SEED, gap=ends))


@stage
def functions(dropout: float, gap: float) -> ndarray:
    """A network trained on these data, and all its passes over the grid: outputs_K_G. The first K are those of K passes."""
    inputs_N_1, targets_N_1 = (torch.from_numpy(values_N)[:, None] for values_N in data(gap))
    network = initialised(lambda: MLP(1, 1, hidden=HIDDEN, dropout=dropout), SEED)
    fit(network, inputs_N_1, targets_N_1, config=SCHEDULE, seed=SEED, loss=F.mse_loss)
    outputs_G_K_1 = sample_outputs(network, torch.from_numpy(PLACES_G).float()[:, None], MOST_PASSES)
    return outputs_G_K_1[..., 0].T.numpy()


@stage
def process(gap: float) -> tuple[ndarray, ndarray]:
    """Mean and standard deviation of a Gaussian process's function on the same data."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    inputs_N, targets_N = data(gap)
    kernel = ConstantKernel(AMPLITUDE**2) * RBF(LENGTH)
    fitted = GaussianProcessRegressor(kernel, alpha=NOISE**2, optimizer=None).fit(inputs_N[:, None], targets_N)
    return fitted.predict(PLACES_G[:, None], return_std=True)


def multiply_adds() -> int:
    """Multiplications with a weight in one pass for one input."""
    widths = (1, *HIDDEN, 1)
    return sum(before * after for before, after in itertools.pairwise(widths))


class DropoutLeftOn(Explorer):
    """A network with dropout left on, asked K times."""

    State = DropoutLeftOnState
    controls: ClassVar = (
        IntSlider("passes", label="Passes K", low=1, high=MOST_PASSES),
        Slider("dropout", label="Dropout", low=0.02, high=0.6, step=0.02, continuous=False),
        Slider("gap", label="Width of the gap", low=0.0, high=WIDEST, step=WIDTH_STEP, continuous=False),
        Toggle("reference", label="Show the Gaussian process"),
    )
    slow_fields = frozenset({"dropout", "gap"})
    presets: ClassVar = (
        Preset("What does one pass say?", {"passes": 1}),
        Preset("No gap at all?", {"gap": 0.0}),
        Preset("The widest gap?", {"gap": WIDEST}),
        Preset("Six times the dropout?", {"dropout": 0.6}),
    )
    play: ClassVar = Play("passes", label="Passes K", values=COUNTED)

    def on_drag(self, state: DropoutLeftOnState, event: Event) -> DropoutLeftOnState:
        """Drags an edge of the gap, and the other one with it; a new network is trained where it is dropped."""
        steps = round(2 * abs(event.x - CENTRE) / WIDTH_STEP)
        width = min(WIDTH_STEP * steps, WIDEST)
        return replace(state, gap=width, held=NOT_HELD) if event.kind == "drop" else replace(state, held=width)

    def check(self, state: DropoutLeftOnState) -> None:
        """Raises ValueError for a width under the hand that no gap has."""
        if state.held != NOT_HELD and not 0 <= state.held <= WIDEST:
            raise ValueError(f"held: expected a width from 0 to {WIDEST:g}, or {NOT_HELD:g}, got {state.held!r}")

    def compute(self, state: DropoutLeftOnState) -> Scene:
        """The fan on the left, what is computed from it on the right."""
        outputs_K_G = functions(state.dropout, state.gap)[: state.passes]
        mean_G, std_G = outputs_K_G.mean(axis=0), outputs_K_G.std(axis=0)
        alt = (
            f"Left, a fan of {state.passes} functions through noisy data with a gap {state.gap:g} wide. Right, their mean "
            f"with a band of two standard deviations" + ", and dashed lines of a Gaussian process" * state.reference
        )
        panels = self._fan(state, outputs_K_G), self._band(state, mean_G, std_G)
        return scene(*panels, alt=alt, status=self._status(state, std_G), height=430)

    def _fan(self, state: DropoutLeftOnState, outputs_K_G: ndarray) -> Panel:
        opacity = float(np.clip(6 / state.passes, 0.12, 0.9))
        words = "1 pass" if state.passes == 1 else f"{state.passes} passes"
        layers = [
            *self._data(state),
            line(PLACES_G, outputs_K_G, width=1.5, opacity=opacity, colour="blue"),
            line(PLACES_G, outputs_K_G[-1], width=2.5, colour="vermillion", label=f"pass {state.passes}"),
            points(state.edges, [PLANE["y"][1] - 0.35] * 2, shape="square", size=16, colour="grey", ids=[0, 1], drag=True,
                   names=[f"{side} edge of the gap" for side in ("left", "right")]),
        ]  # fmt: skip
        title = f"Dropout left on: {words}"
        labels = {"x_label": "input x", "y_label": "target y", "legend": "top left"}
        return panel(*layers, **PLANE, box=(0, 0, 0.5, 1), title=title, **labels)

    def _band(self, state: DropoutLeftOnState, mean_G: ndarray, std_G: ndarray) -> Panel:
        total_G = np.sqrt(std_G**2 + NOISE**2)
        layers = [
            band(
                PLACES_G,
                mean_G - 2 * total_G,
                mean_G + 2 * total_G,
                colour="orange",
                dash="dashed",
                label="±2 sd, new target",
            ),
            band(PLACES_G, mean_G - 2 * std_G, mean_G + 2 * std_G, opacity=0.4, label="±2 sd, function"),
            line(PLACES_G, mean_G, label="mean"),
        ]
        if state.reference:
            process_G, doubt_G = process(state.gap)
            edges = np.stack([process_G - 2 * doubt_G, process_G + 2 * doubt_G])
            layers.append(
                line(PLACES_G, edges, **line_style(look_of("gaussian_process")), label="±2 sd, Gaussian process")
            )
        labels = {"x_label": "input x", "y_label": "target y", "title": "Mean and band"}
        return panel(*layers, *self._data(state), **PLANE, box=(0.5, 0, 0.5, 1), legend="top left", **labels)

    def _data(self, state: DropoutLeftOnState) -> list:
        low, high = state.edges
        shade = (
            rects([low], [high], [PLANE["y"][0]], [PLANE["y"][1]], colour="grey", opacity=0.15) if high > low else []
        )
        words = [text([CENTRE], [-2.75], ["no data"])] if high - low >= 1.5 else []  # else the words do not fit
        return [shade, points(*data(state.gap), size=6, colour="black"), *words]

    def _status(self, state: DropoutLeftOnState, std_G: ndarray) -> str:
        if state.held != NOT_HELD:
            return f"Let go to train a network on data with a gap {state.held:g} wide."
        cost = f"{state.passes} × {multiply_adds():,} multiplications an input"
        if state.passes == 1:
            return f"One pass costs {cost.removeprefix('1 × ')} and shows no spread: the blue band has no width."
        inside, outside = std_G[GAP_PLACE], std_G[DATA_PLACE]
        said = f"The functions spread by {inside:.2f} at {CENTRE} (the gap's centre) and by {outside:.2f} at -2, among data"
        if state.reference:
            doubt_G = process(state.gap)[1]
            said += f"; the Gaussian process says {doubt_G[GAP_PLACE]:.2f} and {doubt_G[DATA_PLACE]:.2f}"
        return f"{said}. K = {state.passes} passes cost {cost}."
