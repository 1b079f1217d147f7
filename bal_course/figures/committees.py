"""Pictures of what a committee says about a picture, and of paired leads as dots.

Dimensions: N pictures, K networks, C classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_utils.plotting import PALETTE, look_of


def grids(
    axes_N: Sequence[Axes], probs_N_K_C: ndarray, names: Sequence[str], *, classes: Sequence[str] = ()
) -> Sequence[Axes]:
    """A grid a picture: a row a network, a column a class, darker where more probable, and one colour bar for all.

    The classes are numbered from 0 where they have no names.
    """
    for ax, probs_K_C, name in zip(axes_N, np.asarray(probs_N_K_C), names, strict=True):
        image = ax.imshow(probs_K_C, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.hlines(np.arange(1, len(probs_K_C)) - 0.5, *ax.get_xlim(), color="white", linewidth=0.8)
        ticks = range(probs_K_C.shape[1])
        ax.set(title=name, xlabel="class", xticks=ticks, xticklabels=classes or ticks, yticks=[])
    axes_N[0].set_ylabel("a row a network")
    axes_N[0].figure.colorbar(image, ax=list(axes_N), label="probability", ticks=[0, 0.5, 1], pad=0.02)
    return axes_N


def dots(ax: Axes, values_by_name: Mapping[str, Sequence[float]]) -> Axes:
    """A row of dots for each strategy, in its colour and marker, a dot a pair of runs; a dashed line at zero."""
    ax.axvline(0, color=PALETTE["grey"], linestyle="--", linewidth=1.2)
    for row, (name, values) in enumerate(values_by_name.items()):
        ax.plot(values, np.full(len(values), row), linestyle="none", markersize=8, alpha=0.8, **look_of(name).mark)
    ax.set(yticks=range(len(values_by_name)), yticklabels=values_by_name, ylim=(len(values_by_name) - 0.5, -0.5))
    return ax
