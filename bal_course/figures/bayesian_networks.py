"""Pictures of distributions over networks: bundles of functions, bands over a gap, what grows with width, maps of methods.

Dimensions: N data points, G places of a fine grid, K draws, W widths, D weights, R C rows and columns of a map.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_course.figures.classification import probability_map
from bal_course.figures.regression import drawn_curves, observations
from bal_utils import plotting
from bal_utils.plotting import PALETTE, looks_of, shade

SHOWN = 12  # curves of a bundle; more would be a blur
CONFIDENCE_LINES = (0.05, 0.25, 0.5, 0.75, 0.95)


def bundle(ax: Axes, places_G: ndarray, outputs_G_K: ndarray, *, label: str = "drawn from the prior") -> Axes:
    """The first dozen of K functions as thin curves."""
    drawn_curves(ax, np.asarray(places_G), np.asarray(outputs_G_K)[:, :SHOWN].T, label=label)
    ax.set(xlabel="input x", xlim=(float(places_G[0]), float(places_G[-1])))
    return ax


def gap(ax: Axes, ends: tuple[float, float]) -> Axes:
    """Shades the inputs that no data come from."""
    ax.axvspan(*ends, **shade(PALETTE["grey"], 0.15), zorder=0)
    return ax


def band(
    ax: Axes, places_G: ndarray, outputs_G_K: ndarray, inputs_N: ndarray, targets_N: ndarray, *, few: int = 4
) -> Axes:
    """The mean of K functions with ±2 standard deviations, a few of the functions, and the data."""
    places_G, outputs_G_K = np.asarray(places_G), np.asarray(outputs_G_K)
    mean_G, half_G = outputs_G_K.mean(axis=1), 2 * outputs_G_K.std(axis=1)
    ax.fill_between(places_G, mean_G - half_G, mean_G + half_G, color=PALETTE["blue"], alpha=0.2, lw=0, label="±2 sd")
    for side in (-1, 1):
        ax.plot(places_G, mean_G + side * half_G, color=PALETTE["blue"], linewidth=0.8, linestyle="--")
    if few:
        chosen = np.linspace(0, outputs_G_K.shape[1] - 1, few).astype(int)
        drawn_curves(ax, places_G, outputs_G_K[:, chosen].T, label="draws")
    ax.plot(places_G, mean_G, color=PALETTE["blue"], label="mean")
    observations(ax, np.ravel(inputs_N), np.ravel(targets_N), label="data")
    ax.set(xlabel="input x", xlim=(places_G[0], places_G[-1]))
    return ax


def spreads(ax: Axes, places_G: ndarray, stds: Mapping[str, ndarray], *, reference: str) -> Axes:
    """The standard deviation of the function along the line, one line a method, named at its end; the reference is thick."""
    looks = looks_of(name for name in stds if name != reference)
    for name, std_G in stds.items():
        if name == reference:
            ax.plot(places_G, std_G, color=PALETTE["black"], linewidth=4, alpha=0.75, label=name)
        else:
            ax.plot(places_G, std_G, label=name, **looks[name].line)
    ax.set(xlabel="input x", ylabel="sd of f(x)", xlim=(float(places_G[0]), float(places_G[-1])))
    ax.set_ylim(bottom=0)
    return plotting.label_ends(ax)


def units(axes: Sequence[Axes], clouds: Mapping[str, ndarray], width: int) -> Sequence[Axes]:
    """Slope and output weight of every unit of every draw, each unit flipped until its slope is positive; a method a panel.

    `clouds` holds weights_K_D of a network with one input and one layer of `width` units, in the order u, c, v, b.
    """
    looks = looks_of(clouds)
    for ax, (name, weights_K_D) in zip(axes, clouds.items(), strict=True):
        weights_K_D = np.asarray(weights_K_D)
        slope_K_H, out_K_H = weights_K_D[:, :width], weights_K_D[:, 2 * width : 3 * width]
        style = {"s": 3, "linewidth": 0, "color": looks[name].colour}
        ax.scatter(np.abs(slope_K_H).ravel(), (np.sign(slope_K_H) * out_K_H).ravel(), **style)
        ax.axhline(0, color=PALETTE["black"], linewidth=0.8)
        ax.set(title=name, xlabel="slope |u| of a unit")
    axes[0].set_ylabel("its output weight v")
    return axes


def covariances(ax: Axes, places_G: ndarray, lines: Mapping[str, ndarray], marks: Mapping[str, ndarray]) -> Axes:
    """Covariances of a function's values along the line: a formula as a line, networks as marks of the same colour."""
    looks = looks_of(lines)
    for name, values_G in lines.items():
        ax.plot(places_G, values_G, label=name, **looks[name].line)
        ax.scatter(places_G[::5], marks[name][::5], s=35, zorder=4, **looks[name].mark)
    ax.set(xlabel="input x", ylabel="covariance")
    ax.legend()
    return ax


def values_at_a_place(ax: Axes, values: Mapping[str, ndarray], places_G: ndarray, density_G: ndarray) -> Axes:
    """Histograms of a function's value, in its own standard deviations, against a normal density."""
    looks = looks_of(values)
    for name, values_K in values.items():
        style = {"histtype": "step", "linewidth": 2, **looks[name].line}
        ax.hist(values_K, bins=np.linspace(-4, 4, 49), density=True, label=name, **style)
    ax.plot(places_G, density_G, color=PALETTE["black"], linewidth=4, alpha=0.6, label="normal", zorder=0)
    ax.set(xlabel="value, in standard deviations", ylabel="density")
    ax.legend()
    return ax


def traces(ax: Axes, chains: Mapping[str, ndarray]) -> Axes:
    """One number along each chain; a chain is a colour and a marker."""
    looks = looks_of(chains)
    for name, values_K in chains.items():
        ax.plot(values_K, label=name, markersize=3, linewidth=0.8, **looks[name].mark)
    ax.set_xlabel("sample")
    ax.legend(markerscale=2)
    return ax


def class_maps(
    axes: Sequence[Axes],
    x_C: ndarray,
    y_R: ndarray,
    maps: Mapping[str, ndarray],
    inputs_N_2: ndarray,
    labels_N: ndarray,
) -> Sequence[Axes]:
    """The probability of class 1 in the plane, one panel a method, with the data."""
    for ax, (name, probs_R_C) in zip(axes, maps.items(), strict=True):
        probability_map(ax, x_C, y_R, probs_R_C, CONFIDENCE_LINES)
        plotting.class_points(ax, inputs_N_2, labels_N, size=22)
        ax.set(title=name, xlabel="x₁", aspect="equal")
    axes[0].set_ylabel("x₂")
    return axes
