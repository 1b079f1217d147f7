"""Pictures that compare methods: bands side by side, tables, and what validation says of a knob.

Dimensions: N data points, G places of a fine grid, K samples, M methods, Q quantities, V values of a knob.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy import ndarray

from bal_course.figures.bayesian_networks import gap
from bal_utils.plotting import PALETTE, looks_of, shade

BETTER, WORSE = PALETTE["sky"], PALETTE["orange"]  # pale enough for black words


def bands(
    axes: Iterable[Axes],
    places_G: ndarray,
    outputs: Mapping[str, ndarray],
    data: Sequence[ndarray],
    ends: tuple[float, float],
) -> list[Axes]:
    """One panel a method: the mean of its functions outputs_G_K, ±2 standard deviations, and the data; the gap is shaded."""
    axes, places_G = list(axes), np.asarray(places_G)
    looks = looks_of(outputs)
    for ax, (name, outputs_G_K) in zip(axes, outputs.items(), strict=False):
        mean_G, half_G = np.asarray(outputs_G_K).mean(axis=1), 2 * np.asarray(outputs_G_K).std(axis=1)
        ax.fill_between(places_G, mean_G - half_G, mean_G + half_G, **shade(looks[name].colour, 0.3))
        ax.plot(places_G, mean_G, color=looks[name].colour)
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
    ax: Axes,
    row_names: Sequence[str],
    column_names: Sequence[str],
    words_M_Q: Sequence,
    signs_M_Q: ndarray,
    *,
    size: float = 10,
) -> Axes:
    """A table of words. A sign of 1 colours a cell as better, one of -1 as worse; 0 and NaN leave it white."""
    signs_M_Q = np.nan_to_num(np.asarray(signs_M_Q, dtype=float))
    colours_M_Q_3 = np.ones((*signs_M_Q.shape, 3))
    for sign, colour in ((1, BETTER), (-1, WORSE)):
        colours_M_Q_3[np.sign(signs_M_Q) == sign] = 1 - 0.6 * (1 - np.array(to_rgb(colour)))
    ax.imshow(colours_M_Q_3, aspect="auto")
    for row, words_Q in enumerate(words_M_Q):
        for column, words in enumerate(words_Q):
            ax.text(column, row, words, ha="center", va="center", size=size, color=PALETTE["black"])
    ax.set(xticks=range(len(column_names)), yticks=range(len(row_names)))
    ax.set_xticklabels(column_names, size=size), ax.set_yticklabels(row_names, size=size)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def sweeps(ax: Axes, values_V: Sequence[float], losses: Mapping[str, Sequence[float]]) -> Axes:
    """What validation says of each value of a knob, evenly spaced, one line a name, the lowest place of each ringed."""
    for name, look in looks_of(losses).items():
        ax.plot(range(len(values_V)), losses[name], **look.style, label=name)
        best = int(np.argmin(losses[name]))
        ax.plot(
            best, losses[name][best], "o", markersize=15, markerfacecolor="none", color=PALETTE["black"], label="_best"
        )
    ax.set_xticks(range(len(values_V)), [f"{value:g}" for value in values_V])
    return ax
