"""Pictures of notebook 14: where rules stop, what waiting costs, what two scores think of the same images.

Dimensions: S seeds, R rounds, N images, B batch sizes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy import ndarray

from bal_course.figures.strategies import mean_with_interval
from bal_utils.plotting import CLASS_COLOURS, CLASS_MARKERS, PALETTE, label_ends, looks_of


def races(ax: Axes, labels_R: ndarray, values: Mapping[str, ndarray]) -> Axes:
    """Mean and 95 % interval over seeds of several strategies, each a colour, a dash and a mark, named at their ends."""
    looks = looks_of(values)
    for name, value_S_R in values.items():
        mean_with_interval(ax, labels_R, value_S_R, name=name, colour=looks[name].colour, dash=looks[name].dash)
        ax.plot(labels_R, value_S_R.mean(axis=0), linestyle="none", markersize=5, **looks[name].mark)
    ax.set(xlabel="labels", ylabel="test accuracy")
    return label_ends(ax)


def stops(ax: Axes, labels_R: ndarray, accuracy_S_R: ndarray, stopped: Mapping[str, Sequence[int]]) -> Axes:
    """One grey curve a seed, and on it a mark where each rule stops; `stopped` holds the round for each seed."""
    for accuracy_R in accuracy_S_R:
        ax.plot(labels_R, accuracy_R, color=PALETTE["grey"], linewidth=1.2)
    looks = looks_of(stopped)
    for index, (name, round_S) in enumerate(stopped.items()):
        shift = 1.5 * (index - (len(stopped) - 1) / 2)  # marks of two rules in one place stand beside each other
        x_S = [labels_R[round_] + shift for round_ in round_S]
        y_S = [accuracy_R[round_] for accuracy_R, round_ in zip(accuracy_S_R, round_S, strict=True)]
        ax.scatter(x_S, y_S, s=90, zorder=3, edgecolor="white", label=name, **looks[name].mark)
    ax.set(xlabel="labels", ylabel="test accuracy")
    ax.legend(loc="lower right")
    return ax


def hours(ax: Axes, sizes_B: Sequence[int], totals: Mapping[str, ndarray], labelling: float) -> Axes:
    """Hours against the batch size, both on logarithmic axes; a dashed line where nothing but labelling takes time."""
    looks = looks_of(totals)
    for name, hours_B in totals.items():
        ax.plot(sizes_B, hours_B, label=name, **looks[name].style)
    ax.axhline(labelling, color=PALETTE["black"], linestyle="--", linewidth=1.2, label="labelling alone")
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.minorticks_off()
    ax.set(xlabel="labels asked for in a round", ylabel="hours in all")
    ax.legend()
    return ax


def two_scores(ax: Axes, first_N: ndarray, second_N: ndarray, kind_N: ndarray, names: tuple[str, str]) -> Axes:
    """One mark an image by two scores; `kind_N` says which are of the first kind (filled) and which of the second."""
    for index, (kind, name) in enumerate(zip((True, False), names, strict=True)):
        chosen = np.asarray(kind_N) == kind
        colour = CLASS_COLOURS[index]
        style = {"marker": CLASS_MARKERS[index], "edgecolor": colour, "facecolor": colour if kind else "none"}
        ax.scatter(np.asarray(first_N)[chosen], np.asarray(second_N)[chosen], s=22, label=name, **style)
    ax.legend(loc="upper left")
    return ax
