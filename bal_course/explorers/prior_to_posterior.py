"""Prior to posterior: functions drawn before and after thirty points, for any prior and any weight of the KL.

A network of ten tanh units in NumPy, f(x) = Σ_h v_h tanh(u_h x + c_h) + b, is small enough to learn again while a slider
moves. Weights are kept in units of their prior's standard deviation, z = w/s, so that the prior is N(0, I). With the
weight λ on the KL, the data count as if their noise were √λ times as large.
Dimensions: N data, G places of the line, K draws, H units, D = 3 H + 1 weights in the order u, c, v, b.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from bal_scenes.base import Choice, Explorer, Preset, Scene, Slider, stage
from bal_scenes.scene import Panel, band, bar_axis, line, panel, points, rects, scene, text
from bal_utils.data import sine_with_gap
from bal_utils.runtime import stream

HIDDEN, POINTS, NOISE, SEED = 10, 30, 0.3, 0
GAP, LINE = (0.0, 2.5), (-5.0, 5.0)
PLACES_G = np.linspace(*LINE, 101)
DRAWS, STARTS, FIRST_STEPS, LAST_STEPS = 200, 3, 40, 300
STEPS, STEP_DRAWS, LEARNING_RATE = 500, 6, 0.05
LAPLACE, MEAN_FIELD = "Laplace, linearised", "Bayes by Backprop"
VALUES = (-4.0, 4.0)
WIDTHS = (math.log10(0.02), math.log10(12.0))  # decades in which every width lies
SHOWN = 12  # functions drawn of those that the band is made of
IN_GAP_G = (GAP[0] < PLACES_G) & (GAP[1] > PLACES_G)
AT_DATA_G = (abs(PLACES_G) <= 4.0) & ~IN_GAP_G


class WeightPosterior(NamedTuple):
    """A normal distribution over the weights in prior units: mean, and a root of the covariance; and how it is used."""

    mean_D: ndarray
    root_D_D: ndarray
    linearised: bool


def normal(purpose: str, *shape: int) -> ndarray:
    """Standard normal numbers, the same in every session."""
    return torch.randn(*shape, generator=stream(SEED, "prior to posterior", purpose), dtype=torch.float64).numpy()


@stage
def data() -> tuple[ndarray, ndarray]:
    """inputs_N and targets_N, those of notebook 08."""
    return tuple(column.double().squeeze(1).numpy() for column in sine_with_gap(POINTS, NOISE, SEED, gap=GAP))


def prior_std(scale: float) -> ndarray:
    """s_D: `scale` for what enters a unit and for the biases, scale/√H for what leaves it, as `fan_in_scaled` has it."""
    return scale * np.r_[np.ones(2 * HIDDEN), np.full(HIDDEN, HIDDEN**-0.5), 1.0]


def _units(weights_D: ndarray, inputs_N: ndarray) -> tuple[ndarray, ndarray]:
    """tanh_N_H of the units, and v_H; leading dimensions of the weights stay in front."""
    u_H, c_H, v_H = (weights_D[..., HIDDEN * i : HIDDEN * (i + 1)] for i in range(3))
    return np.tanh(inputs_N[:, None] * u_H[..., None, :] + c_H[..., None, :]), v_H


def outputs(weights_D: ndarray, inputs_N: ndarray) -> ndarray:
    """f(x) for one network, outputs_N, or for K of them, outputs_K_N."""
    tanh_N_H, v_H = _units(weights_D, inputs_N)
    return (tanh_N_H @ v_H[..., None])[..., 0] + weights_D[..., -1:]


def _jacobian(weights_D: ndarray, inputs_N: ndarray) -> ndarray:
    """∂f(x_n)/∂w_d: jacobian_N_D."""
    tanh_N_H, v_H = _units(weights_D, inputs_N)
    slope_N_H = (1 - tanh_N_H**2) * v_H
    return np.hstack([slope_N_H * inputs_N[:, None], slope_N_H, tanh_N_H, np.ones((len(inputs_N), 1))])


def _descend(start_D: ndarray, scale: float, kl_weight: float, max_steps: int) -> tuple[float, ndarray]:
    """Minus the log joint without constants, and z_D, after so many steps of Levenberg and Marquardt's method."""
    (inputs_N, targets_N), std_D = data(), prior_std(scale)
    noise = NOISE * kl_weight**0.5

    def errors(z_D: ndarray) -> ndarray:
        return np.r_[(outputs(std_D * z_D, inputs_N) - targets_N) / noise, z_D]

    z_D, damping = start_D, 1.0
    least = errors(z_D) @ errors(z_D) / 2
    for _ in range(max_steps):
        rows = np.vstack([_jacobian(std_D * z_D, inputs_N) * std_D / noise, np.eye(len(z_D))])
        step_D = np.linalg.solve(rows.T @ rows + damping * np.eye(len(z_D)), rows.T @ errors(z_D))
        tried = errors(z_D - step_D) @ errors(z_D - step_D) / 2
        if tried < least:
            z_D, damping = z_D - step_D, damping / 3
            if least - tried < 1e-8 * least:
                return tried, z_D
            least = tried
        else:
            damping *= 4
    return least, z_D


@stage
def most_probable(scale: float, kl_weight: float) -> ndarray:
    """z_D: the best of three short descents, since one alone may end in a shallower valley, then followed down."""
    starts_K_D = normal("starts", STARTS, 3 * HIDDEN + 1)
    begun = [_descend(start_D, scale, kl_weight, FIRST_STEPS) for start_D in starts_K_D]
    return _descend(min(begun, key=lambda found: found[0])[1], scale, kl_weight, LAST_STEPS)[1]


@stage
def laplace(scale: float, kl_weight: float) -> WeightPosterior:
    """The normal distribution at the peak: precision Jᵀ J/(λ σ²) + I in prior units."""
    z_D, std_D = most_probable(scale, kl_weight), prior_std(scale)
    rows_N_D = _jacobian(std_D * z_D, data()[0]) * std_D / (NOISE * kl_weight**0.5)
    precision_D_D = rows_N_D.T @ rows_N_D + np.eye(len(z_D))
    return WeightPosterior(z_D, np.linalg.inv(np.linalg.cholesky(precision_D_D)).T, linearised=True)


@stage
def mean_field(scale: float, kl_weight: float) -> WeightPosterior:
    """Bayes by Backprop by Adam from the peak: minimises λ KL(q || p) - E_q[log p(y | w)] over independent weights."""
    (inputs_N, targets_N), std_D = data(), prior_std(scale)
    start = laplace(scale, kl_weight)
    precision_D = np.linalg.inv(start.root_D_D @ start.root_D_D.T).diagonal()
    q_2_D = np.stack([start.mean_D, -0.5 * np.log(precision_D)])  # means and log standard deviations
    noise_T_K_D = normal("steps", STEPS, STEP_DRAWS, len(std_D))
    first_2_D, second_2_D = np.zeros_like(q_2_D), np.zeros_like(q_2_D)
    for step, noise_K_D in enumerate(noise_T_K_D, start=1):
        spread_D = np.exp(q_2_D[1])
        slope_K_D = std_D * misfit_slope(std_D * (q_2_D[0] + spread_D * noise_K_D), inputs_N, targets_N)
        by_std_D = kl_weight * (spread_D**2 - 1) + (slope_K_D * noise_K_D).mean(axis=0) * spread_D
        gradient_2_D = np.stack([kl_weight * q_2_D[0] + slope_K_D.mean(axis=0), by_std_D])
        first_2_D = 0.9 * first_2_D + 0.1 * gradient_2_D
        second_2_D = 0.999 * second_2_D + 0.001 * gradient_2_D**2
        rate = LEARNING_RATE * (1 - step / STEPS) / (1 - 0.9**step)
        q_2_D = q_2_D - rate * first_2_D / (np.sqrt(second_2_D / (1 - 0.999**step)) + 1e-8)
    return WeightPosterior(q_2_D[0], np.diag(np.exp(q_2_D[1])), linearised=False)


def misfit_slope(weights_K_D: ndarray, inputs_N: ndarray, targets_N: ndarray) -> ndarray:
    """The gradient of -log p(y | w) by the weights, for K networks: slope_K_D."""
    tanh_K_N_H, v_K_H = _units(weights_K_D, inputs_N)
    errors_K_N = ((tanh_K_N_H @ v_K_H[..., None])[..., 0] + weights_K_D[:, -1:] - targets_N) / NOISE**2
    inner_K_N_H = errors_K_N[..., None] * (1 - tanh_K_N_H**2)
    by_u_K_H = (inputs_N @ inner_K_N_H) * v_K_H
    by_v_K_H = (errors_K_N[:, None] @ tanh_K_N_H)[:, 0]
    return np.hstack([by_u_K_H, inner_K_N_H.sum(axis=1) * v_K_H, by_v_K_H, errors_K_N.sum(axis=1, keepdims=True)])


def learn(method: str, scale: float, kl_weight: float) -> WeightPosterior:
    """The posterior by the method of this name."""
    return {LAPLACE: laplace, MEAN_FIELD: mean_field}[method](scale, kl_weight)


def divergence(q: WeightPosterior) -> float:
    """KL(q || prior) in nats."""
    log_det = np.linalg.slogdet(q.root_D_D).logabsdet
    return float(0.5 * ((q.root_D_D**2).sum() + q.mean_D @ q.mean_D - len(q.mean_D)) - log_det)


@stage
def prior_functions(scale: float) -> ndarray:
    """Functions drawn before any data, and their negatives: outputs_K_G. The same draws whatever the scale."""
    half_K_G = outputs(prior_std(scale) * normal("prior", DRAWS // 2, 3 * HIDDEN + 1), PLACES_G)
    return np.vstack([half_K_G, -half_K_G])


@stage
def posterior_functions(method: str, scale: float, kl_weight: float) -> ndarray:
    """Functions drawn after the data: outputs_K_G."""
    q, std_D = learn(method, scale, kl_weight), prior_std(scale)
    shifts_K_D = normal("posterior", DRAWS, len(std_D)) @ q.root_D_D.T
    if q.linearised:
        at_peak = std_D * q.mean_D
        return outputs(at_peak, PLACES_G) + shifts_K_D @ (_jacobian(at_peak, PLACES_G) * std_D).T
    return outputs(std_D * (q.mean_D + shifts_K_D), PLACES_G)


@dataclass(frozen=True, kw_only=True)
class PriorToPosteriorState:
    """The prior's scale, the weight of the KL (1 is Bayes' rule), and the method."""

    scale: float = 1.5
    kl_weight: float = 1.0
    method: str = LAPLACE


class PriorToPosterior(Explorer):
    """A network of ten tanh units, before and after it has seen data with a gap."""

    State = PriorToPosteriorState
    slow_fields: ClassVar = frozenset({"scale", "kl_weight", "method"})
    controls: ClassVar = (
        Slider("scale", label="Prior scale", low=0.3, high=4.0, step=0.1),
        Slider("kl_weight", label="KL weight", low=0.1, high=100.0, step=0.1, log=True),
        Choice("method", label="Posterior", options=(LAPLACE, MEAN_FIELD)),
    )
    presets: ClassVar = (
        Preset("A narrow prior: is the gap filled?", {"scale": 0.5}),
        Preset("A wide prior?", {"scale": 4.0}),
        Preset("Independent weights: where does the gap go?", {"method": MEAN_FIELD}),
        Preset("A hundred times the KL?", {"kl_weight": 100.0}),
    )

    def compute(self, state: PriorToPosteriorState) -> Scene:
        """Draws before and after, and how wide both are in the gap and at the data."""
        before_K_G = prior_functions(state.scale)
        after_K_G = posterior_functions(state.method, state.scale, state.kl_weight)
        widths = {
            "before": spread(before_K_G, AT_DATA_G),
            "after, data": spread(after_K_G, AT_DATA_G),
            "after, gap": spread(after_K_G, IN_GAP_G),
        }
        alt = (
            "Functions drawn from the prior on the left; in the middle functions after thirty points with a gap; bars: "
            f"their spread is {widths['after, data']:.2f} at the data and {widths['after, gap']:.2f} in the gap"
        )
        left = _functions(before_K_G, "Before: the prior", (0, 0, 0.35, 1), with_data=False)
        middle = _functions(after_K_G, "After: the posterior", (0.35, 0, 0.35, 1), with_data=True)
        return scene(left, middle, _width_bars(widths), alt=alt, status=self._status(state, widths), height=400)

    def _status(self, state: PriorToPosteriorState, widths: dict[str, float]) -> str:
        nats = divergence(learn(state.method, state.scale, state.kl_weight))
        said = (
            f"The posterior lies {nats:.3g} nats from the prior; its band is {widths['after, gap']:.2f} wide (sd) in "
        )
        said += f"the gap, {widths['after, data']:.2f} at the data. "
        if state.kl_weight == 1:
            return said + "KL weight 1 is Bayes' rule."
        times = f"{1 / state.kl_weight:.3g} times" if state.kl_weight < 1 else f"as 1/{state.kl_weight:.3g} of one"
        return said + f"With this KL weight a data point counts {times}, which is not Bayes' rule."


def spread(outputs_K_G: ndarray, chosen_G: ndarray) -> float:
    """The standard deviation of the functions, its square averaged over the chosen places."""
    return float(np.sqrt(outputs_K_G[:, chosen_G].var(axis=0).mean()))


def _functions(outputs_K_G: ndarray, title: str, box: tuple[float, ...], *, with_data: bool) -> Panel:
    """A dozen functions, the mean of all and its band; the data, or the gap that they will leave."""
    mean_G, half_G = outputs_K_G.mean(axis=0), 2 * outputs_K_G.std(axis=0)
    layers = [
        rects([GAP[0]], [GAP[1]], [VALUES[0]], [VALUES[1]], colour="grey", opacity=0.15),
        band(PLACES_G, mean_G - half_G, mean_G + half_G, label="±2 sd"),
        line(PLACES_G, outputs_K_G[:SHOWN], colour="sky", width=1.0, label="draws"),
        line(PLACES_G, mean_G, label="mean"),
    ]
    if with_data:
        layers.append(points(*data(), size=7, colour="black", label="data"))
    words = {"x_label": "input x", "y_label": "f(x)" if not with_data else "", "legend": "top left"}
    return panel(*layers, x=LINE, y=VALUES, title=title, box=box, **words)


def _width_bars(widths: dict[str, float]) -> Panel:
    """The widths on one axis, in decades, that is the same for all states: twice as wide is always as far."""
    places = np.arange(len(widths))
    decades = np.log10(list(widths.values()))
    low, high = WIDTHS
    layers = [
        line(np.stack([np.full(len(places), low), decades], axis=1), np.stack([places, places], axis=1), width=4),
        points(decades, places, size=16),
        text(decades, places, [f"{width:.2f}" for width in widths.values()], bold=True, offset=(0, 20)),
    ]
    ticks = [(math.log10(value), f"{value:g}") for value in (0.03, 0.1, 0.3, 1, 3)]
    axes = bar_axis(list(widths)) | {"x": (low, high), "x_ticks": ticks}
    return panel(*layers, **axes, box=(0.69, 0, 0.31, 1), title="How wide", x_label="sd of f(x), in decades")
