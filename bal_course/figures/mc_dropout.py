"""Pictures of dropout left on: a gap in the data, two widths against a dial, a digit that turns, paired differences.

Dimensions: N points, G places of a grid, M values of a dial, A angles, T passes, C classes, S splits, H W pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from numpy import ndarray

from bal_course.figures.regression import observations
from bal_utils.plotting import CLASS_COLOURS, CLASS_MARKERS, DASHES, PALETTE, looks_of, shade
from bal_utils.theory.intervals import has_interval


def no_data(ax: Axes, gap: tuple[float, float]) -> Axes:
    """A grey strip with the words "no data"."""
    ax.axvspan(*gap, **shade(PALETTE["grey"], 0.15))
    ax.text(np.mean(gap), 0.02, "no data", ha="center", va="bottom", transform=ax.get_xaxis_transform())
    return ax


def measured_line(ax: Axes, inputs_N: ndarray, targets_N: ndarray, gap: tuple[float, float]) -> Axes:
    """The data of one input, and the strip where there are none."""
    observations(ax, np.ravel(inputs_N), np.ravel(targets_N), label="data")
    ax.set(xlabel="input x", ylabel="target y")
    return no_data(ax, gap)


def dial(ax: Axes, values_M: Sequence[float], widths: Mapping[str, ndarray], *, log: str = "xy") -> Axes:
    """Quantities against the values of one dial, each a colour, a marker and a dash; `log` names the logarithmic axes."""
    looks = looks_of(widths)
    for name, width_M in widths.items():
        ax.plot(values_M, width_M, label=name, markersize=7, markeredgecolor="white", **looks[name].style)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xticks(values_M, [f"{value:g}" for value in values_M])
    ax.minorticks_off()
    ax.legend()
    return ax


def turning(ax: Axes, angles_A: ndarray, probs_A_T_C: ndarray, classes: Sequence[int]) -> Axes:
    """The probability that each pass gives to a few classes while an image turns: a dot a pass, a mark at the mean.

    The classes stand side by side at each angle, so that their dots do not cover one another.
    """
    probs_A_T_C = np.asarray(probs_A_T_C)
    step, num_passes = angles_A[1] - angles_A[0], probs_A_T_C.shape[1]
    within_T = step * np.linspace(-0.1, 0.1, num_passes)
    for index, c in enumerate(classes):
        places_A = angles_A + step * 0.8 * ((index + 0.5) / len(classes) - 0.5)
        style = {"color": CLASS_COLOURS[index], "marker": CLASS_MARKERS[index]}
        ax.scatter(places_A[:, None] + within_T, probs_A_T_C[..., c], s=6, alpha=0.3, linewidth=0, **style)
        mean_A = probs_A_T_C[..., c].mean(axis=1)
        line = {"linestyle": DASHES[index], "linewidth": 1.2, "markersize": 9, "markeredgecolor": "white"}
        ax.plot(places_A, mean_A, label=f"“{c}”", **style | line)
    ax.set(ylabel="probability", ylim=(-0.03, 1.03), xlim=(angles_A[0] - step / 2, angles_A[-1] + step / 2))
    ax.legend(title="class, mean", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def strip(ax: Axes, angles_A: ndarray, images_A_H_W: ndarray) -> Axes:
    """The images below their angles, dark ink on white."""
    half = (angles_A[1] - angles_A[0]) / 2
    row_H_AW = np.concatenate(list(np.asarray(images_A_H_W)), axis=1)
    extent = (angles_A[0] - half, angles_A[-1] + half, 0, 1)
    ax.imshow(row_H_AW, cmap="gray_r", interpolation="nearest", aspect="auto", extent=extent)
    ax.set(xticks=angles_A, yticks=[], xlabel="turned by (degrees)")
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def paired(ax: Axes, differences: Mapping[str, ndarray], *, test_share: float = 0.0) -> Axes:
    """One row a comparison: a dot a split's difference, a diamond at the mean, a bar of two standard errors if several.

    Where the splits are of one data set, `test_share` is the number of test points over that of training points: the
    variance of the mean is then s² (1/S + test_share), because the splits overlap (Nadeau and Bengio 2003).
    """
    ax.axvline(0, color=PALETTE["grey"], linewidth=1.2, linestyle="--", zorder=1)
    looks = looks_of(differences)
    for row, (name, difference_S) in enumerate(differences.items()):
        heights_S = row + 0.22 * np.linspace(-1, 1, len(difference_S))
        ax.scatter(difference_S, heights_S, s=22, zorder=2, marker=looks[name].marker, **shade(looks[name].colour, 0.4))
        times = 2 * np.sqrt(1 / len(difference_S) + test_share)
        error = times * np.std(difference_S, ddof=1) if has_interval(difference_S) else None
        ax.errorbar(
            np.mean(difference_S), row, xerr=error, fmt="D", color=PALETTE["black"], capsize=5, markersize=7, zorder=3
        )
    ax.set(yticks=range(len(differences)), yticklabels=list(differences), ylim=(len(differences) - 0.5, -0.5))
    return ax
