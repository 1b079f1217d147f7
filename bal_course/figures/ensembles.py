"""Pictures of ensembles: members and their mixture on a line, densities, sources of difference, sweeps, calibration.

Dimensions: N data points, G places of a grid, K members, M sizes of an ensemble, S seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy import ndarray

from bal_utils.plotting import PALETTE, looks_of, shade
from bal_utils.theory.intervals import has_interval, interval

HALF_WIDTH = 1.96  # standard deviations on either side that hold 95 % of a Gaussian


def members(
    ax: Axes, inputs_N: ndarray, targets_N: ndarray, places_G: ndarray, means_G_K: ndarray, std_G: ndarray
) -> Axes:
    """Data, one thin line a member, and the mixture's mean with the band of ±1.96 standard deviations."""
    mean_G = means_G_K.mean(axis=1)
    low_G, high_G = mean_G - HALF_WIDTH * std_G, mean_G + HALF_WIDTH * std_G
    ax.fill_between(places_G, low_G, high_G, label="±1.96 sd of the mixture", **shade(PALETTE["blue"], 0.2))
    ax.plot(places_G, means_G_K, color=PALETTE["vermillion"], linewidth=1, alpha=0.7)
    ax.lines[-1].set_label("means of the members")
    ax.plot(places_G, mean_G, color=PALETTE["blue"], linewidth=2.5, label="their mean")
    ax.plot(places_G, np.sin(places_G), color=PALETTE["black"], linestyle="--", linewidth=1.5, label="sin x")
    ax.scatter(inputs_N, targets_N, s=16, color=PALETTE["black"], linewidth=0, zorder=5)
    ax.set(xlabel="input x", ylabel="target y")
    return ax


def questions(ax: Axes, places: Mapping[str, float]) -> Axes:
    """A lettered vertical line at each place that is asked about."""
    for name, place in places.items():
        ax.axvline(place, color=PALETTE["grey"], linestyle=":", linewidth=1.5, zorder=1)
        ax.text(place, 0.03, f" {name}", weight="bold", size=14, transform=ax.get_xaxis_transform())
    return ax


def densities(ax: Axes, targets_G: ndarray, members_G_K: ndarray, others: Mapping[str, ndarray]) -> Axes:
    """Densities of a target: each member's as a thin line, already weighed, and others as thick lines of their own dash."""
    ax.plot(targets_G, members_G_K, color=PALETTE["vermillion"], linewidth=1, alpha=0.7)
    ax.lines[-1].set_label("a fifth of each member")
    for (name, density_G), colour, dash in zip(others.items(), ("blue", "black"), ("-", "--"), strict=False):
        ax.plot(targets_G, density_G, color=PALETTE[colour], linestyle=dash, linewidth=2.5, label=name)
    ax.set(xlabel="target y", ylabel="density")
    ax.legend()
    return ax


def rows_of_seeds(ax: Axes, values: Mapping[str, ndarray], *, zero: bool = False) -> Axes:
    """One row a name: a mark for each seed, a black bar for the 95 % interval of their mean. `zero` draws a line at 0.

    One seed has no interval and gets no bar.
    """
    if zero:
        ax.axvline(0, color=PALETTE["grey"], linestyle="--", linewidth=1.2, zorder=1)
    looks = looks_of(values)
    for row, (name, value_S) in enumerate(values.items()):
        heights_S = row + 0.2 * np.linspace(-1, 1, len(value_S))
        ax.scatter(value_S, heights_S, s=26, zorder=2, marker=looks[name].marker, **shade(looks[name].colour, 0.4))
        if has_interval(value_S):
            ax.plot(interval(value_S), [row, row], color=PALETTE["black"], linewidth=2.5, zorder=3)
        ax.plot([np.mean(value_S)], [row], "|", color=PALETTE["black"], markersize=14, markeredgewidth=2.5, zorder=3)
    ax.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5))
    return ax


def sweep(ax: Axes, sizes_M: Sequence[int], gains: Mapping[str, ndarray]) -> Axes:
    """Quantities gain_S_M against the number of members on a logarithmic axis, with 95 % intervals over several seeds."""
    ax.axhline(0, color=PALETTE["grey"], linestyle="--", linewidth=1.2)
    looks = looks_of(gains)
    for index, (name, gain_S_M) in enumerate(gains.items()):
        mean_M = gain_S_M.mean(axis=0)
        error = None
        if has_interval(gain_S_M[:, 0]):
            low_M, high_M = np.array([interval(gain_S) for gain_S in gain_S_M.T]).T
            error = [mean_M - low_M, high_M - mean_M]
        shifted_M = np.asarray(sizes_M) * 1.03 ** (index - (len(gains) - 1) / 2)  # bars beside each other
        ax.errorbar(shifted_M, mean_M, yerr=error, capsize=3, label=name, **looks[name].style)
    ax.set_xscale("log")
    ax.set_xticks(sizes_M, [str(size) for size in sizes_M])
    ax.minorticks_off()
    ax.set_xlabel("networks M")
    ax.legend()
    return ax


def reliability(ax: Axes, curves: Mapping[str, Any]) -> Axes:
    """Accuracy against confidence, from `metrics.reliability_curve`; below the diagonal a model is too sure.

    The area of a mark grows with the number of inputs.
    """
    handles = ax.plot([0, 1], [0, 1], color=PALETTE["black"], linestyle="--", linewidth=1.2, label="calibrated")
    looks = looks_of(curves)
    for name, curve in curves.items():
        ax.plot(curve.confidence, curve.accuracy, linewidth=1.5, **looks[name].line)
        sizes = 15 + 400 * np.asarray(curve.count) / sum(curve.count)
        ax.scatter(curve.confidence, curve.accuracy, s=sizes, alpha=0.8, **looks[name].mark)
        handles.append(Line2D([], [], label=name, linewidth=1.5, markersize=7, **looks[name].style))
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0.1, 1.02), ylim=(0, 1.03))
    ax.legend(handles=handles, loc="lower right")
    return ax
