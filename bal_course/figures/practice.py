"""Pictures of notebook 14: races, what training and oracles do, what waiting costs.

Dimensions: S seeds, R rounds, B batch sizes or budgets, G groups.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy import ndarray

from bal_course.figures.strategies import mean_with_interval
from bal_utils.plotting import PALETTE, label_ends, looks_of
from bal_utils.theory.intervals import interval


def races(ax: Axes, labels_R: ndarray, values: Mapping[str, ndarray], *, marks: bool = True) -> Axes:
    """Mean and 95 % interval over seeds of several strategies, named at their ends; with `marks`, one a round."""
    looks = looks_of(values)
    for name, value_S_R in values.items():
        mean_with_interval(ax, labels_R, value_S_R, name=name, colour=looks[name].colour, dash=looks[name].dash)
        if marks:
            ax.plot(labels_R, value_S_R.mean(axis=0), linestyle="none", markersize=5, **looks[name].mark)
    ax.set(xlabel="labels", ylabel="test accuracy")
    return label_ends(ax)


def budgets(ax: Axes, leads: Mapping[int, Mapping[str, ndarray]]) -> Axes:
    """Mean leads with 95 % intervals against the number of steps, one line a strategy, named at its end."""
    steps_B = list(leads)
    names = list(next(iter(leads.values())))
    looks = looks_of(names)
    ax.axhline(0, color=PALETTE["grey"], linestyle="--", linewidth=1.2, zorder=1)
    for place, name in enumerate(names):
        mean_B = [leads[steps][name].mean() for steps in steps_B]
        error_2_B = np.abs(np.array([interval(leads[steps][name]) for steps in steps_B]).T - mean_B)
        x_B = np.array(steps_B) * 1.04 ** (place - (len(names) - 1) / 2)  # bars stand beside each other
        ax.errorbar(x_B, mean_B, error_2_B, fmt="none", ecolor=looks[name].colour, elinewidth=1.5)
        ax.plot(x_B, mean_B, label=name, **looks[name].style)
    ax.set_xscale("log")
    ax.set_xticks(steps_B, [f"{steps}" for steps in steps_B])
    ax.minorticks_off()
    ax.set(xlabel="training steps a round", ylabel="points ahead of random")
    return label_ends(ax)


def groups(ax: Axes, values: Mapping[str, Mapping[str, ndarray]]) -> Axes:
    """Means with 95 % intervals over seeds: one cluster of marks a group, in it one mark a name."""
    names = list(dict.fromkeys(name for group in values.values() for name in group))
    looks = looks_of(names)
    for index, name in enumerate(names):
        shift = 0.18 * (index - (len(names) - 1) / 2)
        there = [(place + shift, group[name]) for place, group in enumerate(values.values()) if name in group]
        x_G, mean_G = [x for x, _ in there], np.array([value_S.mean() for _, value_S in there])
        error_2_G = np.abs(np.array([interval(value_S) for _, value_S in there]).T - mean_G)
        colour = looks[name].colour
        ax.errorbar(x_G, mean_G, error_2_G, fmt="none", ecolor=colour, elinewidth=2)
        ax.plot(x_G, mean_G, linestyle="none", markersize=8, label=name, **looks[name].mark)
    ax.set_xticks(range(len(values)), list(values))
    ax.legend(fontsize=11)
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
