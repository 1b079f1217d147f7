"""Prior to posterior: functions drawn before and after thirty points, for any prior and any weight of the KL."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import ndarray

from bal_course.explorers import tanh_network as network
from bal_course.explorers.tanh_network import GAP, LAPLACE, LINE, MEAN_FIELD, PLACES_G
from bal_scenes.base import Choice, Explorer, Scene, Slider
from bal_scenes.scene import Panel, band, bar_axis, bars, line, panel, points, rects, scene, tick_labels

VALUES = (-4.0, 4.0)
SHOWN = 12  # functions drawn of those that the band is made of
IN_GAP_G = (GAP[0] < PLACES_G) & (GAP[1] > PLACES_G)
AT_DATA_G = (abs(PLACES_G) <= 4.0) & ~IN_GAP_G


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

    def compute(self, state: PriorToPosteriorState) -> Scene:
        """Draws before and after, and how wide both are in the gap and at the data."""
        before_K_G = network.prior_functions(state.scale)
        after_K_G = network.posterior_functions(state.method, state.scale, state.kl_weight)
        widths = {
            "before": spread(before_K_G, AT_DATA_G),
            "after, data": spread(after_K_G, AT_DATA_G),
            "after, gap": spread(after_K_G, IN_GAP_G),
        }
        alt = (
            "Functions drawn from the prior on the left; in the middle functions after thirty points with a gap; bars: "
            f"their spread is {widths['after, data']:.2f} at the data and {widths['after, gap']:.2f} in the gap"
        )
        left = functions(before_K_G, "Before: the prior", (0, 0, 0.35, 1), with_data=False)
        middle = functions(after_K_G, "After: the posterior", (0.35, 0, 0.35, 1), with_data=True)
        return scene(left, middle, width_bars(widths), alt=alt, status=self._status(state, widths), height=400)

    def _status(self, state: PriorToPosteriorState, widths: dict[str, float]) -> str:
        nats = network.divergence(network.learn(state.method, state.scale, state.kl_weight))
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


def functions(outputs_K_G: ndarray, title: str, box: tuple[float, ...], *, with_data: bool) -> Panel:
    """A dozen functions, the mean of all and its band; the data, or the gap that they will leave."""
    mean_G, half_G = outputs_K_G.mean(axis=0), 2 * outputs_K_G.std(axis=0)
    layers = [
        rects([GAP[0]], [GAP[1]], [VALUES[0]], [VALUES[1]], colour="grey", opacity=0.15),
        band(PLACES_G, mean_G - half_G, mean_G + half_G, label="±2 sd"),
        line(PLACES_G, outputs_K_G[:SHOWN], colour="sky", width=1.0, label="draws"),
        line(PLACES_G, mean_G, label="mean"),
    ]
    if with_data:
        layers.append(points(*network.data(), size=7, colour="black", label="data"))
    words = {"x_label": "input x", "y_label": "f(x)" if not with_data else "", "legend": "top left"}
    return panel(*layers, x=LINE, y=VALUES, title=title, box=box, **words)


def width_bars(widths: dict[str, float]) -> Panel:
    """One bar a width, with its number."""
    layers = bars(np.array([[width] for width in widths.values()]), totals="{:.2f}", thickness=0.5)
    longest = max(widths.values())
    ticks = tick_labels(0, longest)[::2]
    axes = bar_axis(list(widths)) | {"x": (0, 1.5 * longest), "x_ticks": ticks}
    return panel(*layers, **axes, box=(0.69, 0.1, 0.31, 0.7), title="How wide", x_label="sd of f(x)")
