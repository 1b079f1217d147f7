"""Bends of the approximation: the divergence of one row of dropout's q from the prior, beside its L2 form.

All lengths are in units of the prior's standard deviation 1/l. Dimensions: G places, K draws, P Monte Carlo points.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy import ndarray

from bal_scenes.base import Event, Explorer, IntSlider, Preset, Scene, Slider, stage
from bal_scenes.scene import Layer, Panel, band, line, panel, points, rects, scene, text
from bal_utils.posteriors.dropout_elbo import coin_entropy, l2_form, overlap
from bal_utils.runtime import stream

SIZES = (0.001, 2.0)
DIMS = 2 ** np.arange(9)
DRAWS, PLACES, DOTS = 1000, 101, 9
FINE = 0.02  # nats; the L2 form is called fine where it misses less
WRONG_HERE, FINE_HERE = "L2 is wrong here", "L2 is fine here"
KEPT, DROPPED = "blue", "orange"  # the two bumps


@dataclass(frozen=True, kw_only=True)
class DropoutKLState:
    """The drop probability, σ, how many weights a row has, and the size of each of them."""

    drop: float = 0.2
    std: float = 0.1
    dims: int = 4
    size: float = 0.1

    @property
    def keep(self) -> float:
        """The paper's p."""
        return 1 - self.drop

    @property
    def norm(self) -> float:
        """|m| of a row whose weights all have the same size."""
        return math.sqrt(self.dims) * self.size

    @property
    def highest(self) -> float:
        """The longest row in the picture."""
        return max(8 * self.std, 1.3 * self.norm)


def _gap_at(distances: ndarray | float, keep: float) -> ndarray:
    """The divergence minus its L2 form, in nats, at |m|/σ."""
    return overlap(torch.as_tensor(distances, dtype=torch.float64), keep).numpy()


@stage
def divergence_curves(highest: float, keep: float, std: float) -> tuple[ndarray, ndarray, ndarray]:
    """norms_G, and above the constant the divergence kl_G and its L2 form l2_G."""
    norms_G = np.linspace(0, highest, PLACES)
    l2_G = keep / 2 * norms_G**2 - coin_entropy(keep)
    return norms_G, l2_G + _gap_at(norms_G / std, keep), l2_G


@stage
def _base_draws(dims: int) -> tuple[ndarray, ndarray, ndarray]:
    """For K draws of ε in D dimensions: uniform_K for the coin, along_K on the row's direction, and squares_K = |ε|²."""
    generator = stream(0, "bends", dims)
    noise_K_D = torch.randn(DRAWS, dims, generator=generator, dtype=torch.float64).numpy()
    uniform_K = torch.rand(DRAWS, generator=generator, dtype=torch.float64).numpy()
    return uniform_K, noise_K_D.sum(axis=1) / math.sqrt(dims), (noise_K_D**2).sum(axis=1)


@stage
def sampled(highest: float, keep: float, std: float, dims: int) -> tuple[ndarray, ndarray, ndarray]:
    """norms_P, the divergence above the constant from K draws of q, and its standard errors.

    The average of log q - log p at draws from q; the same average for a row of length 0, which is the constant, is taken
    off draw by draw, with the same ε.
    """
    uniform_K, along_K, squares_K = _base_draws(dims)
    norms_P_1 = np.linspace(0, highest, DOTS)[:, None]
    r_P_1, kept_K = norms_P_1 / std, uniform_K < keep
    cross_P_K = 2 * r_P_1 * along_K
    from_kept_P_K = np.where(kept_K, squares_K, squares_K - cross_P_K + r_P_1**2)  # |w - m|²/σ²
    from_zero_P_K = np.where(kept_K, squares_K + cross_P_K + r_P_1**2, squares_K)  # |w|²/σ²
    log_q_P_K = np.logaddexp(math.log(keep) - from_kept_P_K / 2, math.log1p(-keep) - from_zero_P_K / 2)
    log_p_P_K = -(std**2) * from_zero_P_K / 2
    ratio_P_K = log_q_P_K - log_p_P_K - (std**2 - 1) * squares_K / 2
    return norms_P_1[:, 0], ratio_P_K.mean(axis=1), ratio_P_K.std(axis=1, ddof=1) / math.sqrt(DRAWS)


def _first_fine(norms_G: ndarray, gap_G: ndarray) -> float:
    """The length from which on the L2 form is fine; the last length of the picture where it is so nowhere."""
    wrong = np.flatnonzero(gap_G >= FINE)
    return float(norms_G[min(wrong[-1] + 1, len(norms_G) - 1)]) if len(wrong) else float(norms_G[0])


def _verdicts(border: float, end: float, low: float, high: float) -> list[Layer]:
    """The words below the curves, each where it holds and has room."""
    found = []
    for words, start, stop in ((WRONG_HERE, 0.0, border), (FINE_HERE, border, end)):
        if stop - start > 0.3 * end:
            found.append(text([(start + stop) / 2], [low - 0.1 * (high - low)], words, bold=True))
    return found


class DropoutKL(Explorer):
    """One row of dropout's q: where its divergence from the prior is an L2 penalty, and where it is not."""

    State = DropoutKLState
    controls: ClassVar = (
        Slider("drop", label="Drop probability", low=0.05, high=0.95, step=0.05),
        Slider("std", label="σ (in units of 1/l)", low=0.001, high=1.0, step=0.1, log=True),
        IntSlider("dims", label="Weights in the row, D", low=1, high=256),
        Slider("size", label="Size of each weight", low=SIZES[0], high=SIZES[1], step=0.1, log=True, more=True),
    )
    presets: ClassVar = (
        Preset("A row of 64 weights: do the bumps part?", {"dims": 64}),
        Preset("σ ten times smaller: is the gap gone?", {"std": 0.01}),
        Preset("Half of all units dropped?", {"drop": 0.5}),
        Preset("One in twenty?", {"drop": 0.05}),
    )

    @property
    def gap(self) -> float:
        """The divergence of the present row minus its L2 form, in nats."""
        return float(_gap_at(self.state.norm / self.state.std, self.state.keep))

    def compute(self, state: DropoutKLState) -> Scene:
        """The divergence against the length of the row, the two bumps along it, and the error against the dimension."""
        gap = float(_gap_at(state.norm / state.std, state.keep))
        alt = (
            f"The divergence of a row of {state.dims} weights against its length, beside the L2 parabola; a star marks the "
            f"present row, where they differ by {gap:.2f} nats. Beside it the two bumps of q and the error by dimension"
        )
        panels = self._bend(state, gap), self._bumps(state, gap), self._by_dimension(state, gap)
        return scene(*panels, alt=alt, status=self._status(state, gap), width=920, height=460)

    def on_click(self, state: DropoutKLState, event: Event) -> DropoutKLState:
        """Gives the row the length that was clicked; in the panel of dimensions, the dimension."""
        if event.x is None or event.panel == 1:
            return state
        if event.panel == 2:
            return replace(state, dims=int(np.clip(round(2**event.x), 1, DIMS[-1])))
        return replace(state, size=float(f"{np.clip(event.x / math.sqrt(state.dims), *SIZES):.3g}"))

    def on_drag(self, state: DropoutKLState, event: Event) -> DropoutKLState:
        """Drags the star along the curve, or along the dimensions."""
        return self.on_click(state, event)

    def _bend(self, state: DropoutKLState, gap: float) -> Panel:
        norms_G, kl_G, l2_G = divergence_curves(state.highest, state.keep, state.std)
        norms_P, values_P, errors_P = sampled(state.highest, state.keep, state.std, state.dims)
        here = state.keep / 2 * state.norm**2 - coin_entropy(state.keep)
        low, high = l2_G.min(), max(kl_G.max(), (values_P + 2 * errors_P).max(), 0.05)
        whiskers = [
            line([x, x], [y - 2 * error, y + 2 * error], colour="black")
            for x, y, error in zip(norms_P, values_P, errors_P, strict=True)
        ]
        border = _first_fine(norms_G, kl_G - l2_G)
        layers = [
            rects([norms_G[0]], [border], [low - 1], [high + 2], colour="vermillion", opacity=0.08),
            _verdicts(border, norms_G[-1], low, high),
            band(norms_G, l2_G, kl_G, colour="grey", label="error of the L2 form"),
            line(norms_G, kl_G, width=3, label="divergence"),
            line(norms_G, l2_G, colour="vermillion", dash="dashed", width=3, label="L2 form"),
            *whiskers,
            points(norms_P, values_P, size=8, colour="black", label=f"{DRAWS} draws, ±2 se"),
            line([state.norm] * 2, [here, here + gap], colour="purple", width=4),
            points([state.norm], [here + gap], shape="star", size=20, colour="purple", ids=[0], drag=True,
                   names=[f"the row, length {state.norm:.3g}"]),
        ]  # fmt: skip
        room = high - low  # the legend stands above the curves
        axes = {"x": (-0.02 * state.highest, 1.02 * state.highest), "y": (low - 0.2 * room, high + 0.5 * room)}
        words = {"x_label": "length |m| of the row", "y_label": "nats above the constant"}
        return panel(*layers, **axes, **words, box=(0, 0, 0.57, 1), legend="top right", click_anywhere=True,
                     title="Divergence from the prior")  # fmt: skip

    def _bumps(self, state: DropoutKLState, gap: float) -> Panel:
        r, keep = state.norm / state.std, state.keep
        around = np.linspace(-4, 4, 81)
        place_G = np.unique(np.concatenate([around, around + r]))
        dropped_G, kept_G = (1 - keep) * np.exp(-(place_G**2) / 2), keep * np.exp(-((place_G - r) ** 2) / 2)
        nothing_G = np.zeros_like(place_G)
        layers = [
            band(place_G, nothing_G, dropped_G, colour=DROPPED, dash="dashed", opacity=0.45),
            band(place_G, nothing_G, kept_G, colour=KEPT, opacity=0.35),
            line(place_G, dropped_G + kept_G, colour="black", width=1.5),
        ]
        beside = 1.2 if r < 4 else 0.0  # where the bumps lie close their names stand beside them, else above
        for place, peak, words, align in ((-beside, 1 - keep, "dropped", "right"), (r + beside, keep, "kept", "left")):
            where = {"align": align} if beside else {"offset": (0, 12)}
            layers.append(text([place], [max(0.6 * peak, 0.2) if beside else peak], words, bold=True, **where))
        axes = {"x": (-4, r + 4), "y": (0, 1.35 * (dropped_G + kept_G).max()), "y_ticks": []}
        title = f"The row: two bumps {'that overlap' if gap >= FINE else 'apart'}"
        return panel(*layers, **axes, box=(0.57, 0, 0.43, 0.47), title=title, x_label="place along m, in σ")

    def _by_dimension(self, state: DropoutKLState, gap: float) -> Panel:
        steps_G, ceiling = np.linspace(0, 8, 33), coin_entropy(state.keep)
        gaps_G = _gap_at(state.size * np.sqrt(2**steps_G) / state.std, state.keep)
        layers = [
            line([0, 8], [ceiling] * 2, colour="black", dash="dotted"),
            text([8], [ceiling], "H[z], the most it can be", align="right", offset=(0, 12)),
            line(steps_G, gaps_G, colour="purple"),
            points([math.log2(state.dims)], [gap], shape="star", size=18, colour="purple", ids=[1], drag=True,
                   names=[f"a row of {state.dims}"]),
        ]  # fmt: skip
        ticks = [(step, str(2**step)) for step in range(0, 9, 2)]
        axes = {"x": (-0.4, 8.4), "y": (-0.06 * ceiling, 1.45 * ceiling), "x_ticks": ticks}
        words = {"x_label": "weights in a row, D", "y_label": "nats"}
        return panel(*layers, **axes, **words, box=(0.57, 0.47, 0.43, 0.53), click_anywhere=True,
                     title="Error at this size of weight")  # fmt: skip

    def _status(self, state: DropoutKLState, gap: float) -> str:
        r, ceiling = state.norm / state.std, coin_entropy(state.keep)
        origin = torch.zeros(1, state.dims, dtype=torch.float64)
        constant = l2_form(origin, keep=state.keep, std=state.std, length_scale=1.0).item() + ceiling
        step = 1e-4
        change = float(_gap_at(r + step, state.keep) - _gap_at(r, state.keep)) / step  # slope of the error by |m|/σ
        pull = state.keep * state.norm + change / state.std
        way = "outwards, against L2" if pull < 0 else "inwards, as L2 does"
        size = f"{gap:.3f}" if gap >= 0.0005 else "less than 0.0005"
        verdict = f"{WRONG_HERE}: the bumps overlap." if gap >= FINE else f"{FINE_HERE}: the bumps lie apart."
        return (
            f"{verdict} |m| = {state.norm:.3g}, that is {r:.1f} σ. "
            f"The L2 form is too low by {size} nats of at most {ceiling:.3f}; "
            f"the true divergence pushes this row {way}. The constant left out is {constant:.1f} nats."
        )
