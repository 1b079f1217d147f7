"""Pictures that compare methods: bands side by side, tables, differences over paired runs, price and quality, agreement.

Dimensions: N data points, G places of a fine grid, K samples, M methods, Q quantities, S seeds.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_course.figures.bayesian_networks import gap
from bal_course.figures.ensembles import rows_of_seeds
from bal_utils.plotting import PALETTE, looks_of, shade
from bal_utils.theory.intervals import has_interval, interval

TABLE_COLOURS = "Blues"
DARKEST = 0.55  # share of the colour scale; black words can be read on all that is lighter


def bands(
    axes: Iterable[Axes],
    places_G: ndarray,
    outputs: Mapping[str, ndarray],
    data: Sequence[ndarray],
    ends: tuple[float, float],
) -> list[Axes]:
    """One panel a method: the mean of its functions outputs_G_K, ±2 standard deviations, and the data; the gap is shaded."""
    axes, places_G = list(axes), np.asarray(places_G)
    for ax, (name, outputs_G_K) in zip(axes, outputs.items(), strict=False):
        mean_G, half_G = np.asarray(outputs_G_K).mean(axis=1), 2 * np.asarray(outputs_G_K).std(axis=1)
        ax.fill_between(places_G, mean_G - half_G, mean_G + half_G, **shade(PALETTE["blue"], 0.3))
        ax.plot(places_G, mean_G, color=PALETTE["blue"])
        ax.scatter(*(np.ravel(values_N) for values_N in data), s=10, color=PALETTE["black"], zorder=4)
        gap(ax, ends).set(title=name, ylim=(-3, 3))
    for ax in axes[len(outputs) :]:
        ax.set_axis_off()
    for ax in axes[: len(outputs)]:
        spec = ax.get_subplotspec()
        ax.set_xlabel("input x" if spec.is_last_row() or spec.num1 + spec.get_gridspec().ncols >= len(axes) else "")
        ax.set_ylabel("f(x)" if spec.is_first_col() else "")
    return axes


def table(
    ax: Axes, row_names: Sequence[str], column_names: Sequence[str], words_M_Q: Sequence, ranks_M_Q: ndarray
) -> Axes:
    """A table of words; the darker a cell, the better its rank in the column. A rank of NaN leaves the cell white."""
    ranks_M_Q = np.asarray(ranks_M_Q, dtype=float)
    worst_Q = np.nanmax(np.where(np.isnan(ranks_M_Q), -np.inf, ranks_M_Q), axis=0)
    shade_M_Q = DARKEST * (1 - ranks_M_Q / np.maximum(worst_Q, 1))
    ax.imshow(np.nan_to_num(shade_M_Q), cmap=TABLE_COLOURS, vmin=0, vmax=1, aspect="auto")
    for row, words_Q in enumerate(words_M_Q):
        for column, words in enumerate(words_Q):
            ax.text(column, row, words, ha="center", va="center", size=11, color=PALETTE["black"])
    ax.set(xticks=range(len(column_names)), yticks=range(len(row_names)))
    ax.set_xticklabels(column_names), ax.set_yticklabels(row_names)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def differences(axes: Sequence[Axes], quantities: Mapping[str, Mapping[str, ndarray]]) -> Sequence[Axes]:
    """One panel a quantity: for each method the differences of its runs to the paired baseline, and their 95 % interval."""
    for ax, (name, differences_S) in zip(axes, quantities.items(), strict=True):
        rows_of_seeds(ax, differences_S, zero=True).set(title=name)
    return axes


def price(ax: Axes, costs: Mapping[str, float], values: Mapping[str, ndarray]) -> Axes:
    """A quantity against a cost on a logarithmic axis, one named mark a method, with the 95 % interval of several runs."""
    for name, look in looks_of(values).items():
        mean = float(np.mean(values[name]))
        error = None
        if has_interval(values[name]):
            low, high = interval(values[name])
            error = [[mean - low], [high - mean]]
        ax.errorbar(costs[name], mean, yerr=error, markersize=8, capsize=3, **look.mark)
        ax.annotate(name, (costs[name], mean), xytext=(7, 5), textcoords="offset points")
    ax.set_xscale("log")
    return ax


def agreement(ax: Axes, names: Sequence[str], correlations_M_M: ndarray) -> Axes:
    """A square of correlations, each written in its cell."""
    ax.imshow(correlations_M_M, cmap=TABLE_COLOURS, vmin=0, vmax=1.2)
    for row, column in np.ndindex(len(names), len(names)):
        value = correlations_M_M[row, column]
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.8 else "black")
    ax.set(xticks=range(len(names)), yticks=range(len(names)), yticklabels=names)
    ax.set_xticklabels(names, rotation=30, ha="right")
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax
