"""Pictures of two moons: scores over the plane with the boundary and the labels, the three terms, batches, noise of BALD.

Dimensions: R C rows and columns of a map, P pool points, L labelled points, B points of a batch, Q places.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter
from numpy import ndarray

from bal_course.figures.strategies import outline
from bal_utils.plotting import CLASS_COLOURS, HEAT_MAP, PALETTE, centres, class_points, for_words, looks_of

Plane = Mapping[str, tuple[float, float]]
BOUNDARY = {0.25: 0.8, 0.5: 2.0, 0.75: 0.8}  # probability of class 1 -> width of its line
LETTERS = {"color": "white", "weight": "bold", "size": 15, "ha": "center", "va": "center"}


def score_map(
    ax: Axes,
    values_R_C: ndarray,
    probs_R_C: ndarray,
    plane: Plane,
    *,
    high: float | None = None,
    low: float | None = None,
    lines: Mapping[float, float] = BOUNDARY,
) -> Axes:
    """A score over the plane, bright where it is high, and lines where class 1 has the probabilities of `lines`.

    By default these are 1/4, 1/2 (thick) and 3/4. Without `low` and `high` the map runs from its own least to its own
    greatest value.
    """
    values_R_C, probs_R_C = np.asarray(values_R_C), np.asarray(probs_R_C)
    rows, columns = values_R_C.shape
    x_C, y_R = (centres(*plane[axis], count) for axis, count in (("x", columns), ("y", rows)))
    ax.imshow(values_R_C, extent=(*plane["x"], *plane["y"]), origin="lower", interpolation="bilinear", cmap=HEAT_MAP,
              vmin=low, vmax=high)  # fmt: skip
    if probs_R_C.min() < 0.75 and probs_R_C.max() > 0.25:
        drawn = ax.contour(x_C, y_R, probs_R_C, levels=list(lines), linewidths=list(lines.values()),
                           colors=PALETTE["black"], linestyles="-")  # fmt: skip
        halo = withStroke(
            linewidth=1 + max(lines.values()), foreground="white", alpha=0.5
        )  # seen on dark and on bright
        drawn.set_path_effects([halo])
    ax.set(xlim=plane["x"], ylim=plane["y"], xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    return ax


def moons(ax: Axes, pool_P_2: ndarray, labelled_L_2: ndarray, labels_L: ndarray, *, size: float = 70) -> Axes:
    """The pool as small white dots, the labelled points large, each class with its own colour and marker."""
    ax.scatter(*np.asarray(pool_P_2).T, s=7, color="white", edgecolor=PALETTE["grey"], linewidth=0.4, zorder=3)
    for drawn in class_points(ax, labelled_L_2, labels_L, size=size).collections[-len(np.unique(labels_L)) :]:
        drawn.set_zorder(4)
    return ax


def asked(ax: Axes, places_B_2: ndarray, *, label: str = "asked for", numbered: bool = False) -> Axes:
    """Rings around the points that a strategy asks for, in white on a dark edge, with their order where wanted."""
    ax.scatter(*np.asarray(places_B_2).T, s=150, facecolor="none", edgecolor=PALETTE["black"], linewidth=3.6, zorder=5)
    ax.scatter(
        *np.asarray(places_B_2).T, s=150, facecolor="none", edgecolor="white", linewidth=2, zorder=6, label=label
    )
    if numbered:
        for order, (x, y) in enumerate(places_B_2, start=1):
            ax.annotate(str(order), (x, y), xytext=(9, 7), textcoords="offset points", color="white", weight="bold",
                        path_effects=outline(), zorder=7)  # fmt: skip
    return ax


def lettered(ax: Axes, places: Mapping[str, tuple[float, float]]) -> Axes:
    """The first letter of each place's name, at the place."""
    for name, (x, y) in places.items():
        ax.text(x, y, name[0], path_effects=outline(), zorder=7, **LETTERS)
    return ax


def three_terms(axes: Sequence[Axes], maps_4_R_C: ndarray, plane: Plane) -> Sequence[Axes]:
    """All doubt, noise, and what a label teaches, on one scale in nats, so that the subtraction can be seen.

    `maps_4_R_C` holds the three and the probability of class 1. A thin line where that is one half hides nothing.
    """
    titles = "All doubt", "− noise", "= what a label teaches"
    for ax, values_R_C, title in zip(axes, maps_4_R_C[:3], titles, strict=True):
        score_map(ax, values_R_C, maps_4_R_C[3], plane, low=0.0, high=float(np.log(2)), lines={0.5: 0.8})
        ax.set_title(title)
        ax.label_outer()
    axes[0].figure.colorbar(axes[-1].images[-1], ax=list(axes), label="nats", shrink=0.75)
    return axes


def boundary(
    ax: Axes,
    probs_R_C: ndarray,
    truth_R_C: ndarray,
    plane: Plane,
    pool_P_2: ndarray,
    labelled_L_2: ndarray,
    labels_L: ndarray,
    rounds_L: Sequence[int],
) -> Axes:
    """The networks' boundary (solid) and the best one (dashed) over what is labelled, with the round beside each label.

    `probs_R_C` and `truth_R_C` are probabilities of class 1; what was labelled at the start has round 0 and no number.
    The view is as large as the pool.
    """
    x_C, y_R = (centres(*plane[axis], count) for axis, count in zip("xy", np.shape(probs_R_C)[::-1], strict=True))
    ax.scatter(*np.asarray(pool_P_2).T, s=3, color=PALETTE["grey"], linewidth=0, zorder=1)
    black = {"levels": [0.5], "colors": PALETTE["black"]}
    ax.contour(x_C, y_R, truth_R_C, linestyles="--", linewidths=1.6, **black)
    if np.min(probs_R_C) < 0.5 < np.max(probs_R_C):
        ax.contour(x_C, y_R, probs_R_C, linestyles="-", linewidths=2.4, **black)
    class_points(ax, labelled_L_2, labels_L, size=60)
    pool_P_2 = np.asarray(pool_P_2)
    (left, low), (right, high) = pool_P_2.min(axis=0) - 0.2, pool_P_2.max(axis=0) + 0.2
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    for number, label, place_2, offset_2 in zip(
        rounds_L, np.asarray(labels_L), np.asarray(labelled_L_2), _beside(ax, labelled_L_2, rounds_L), strict=True
    ):
        if number:
            ax.annotate(str(number), place_2, xytext=offset_2, textcoords="offset points", size=12, weight="bold",
                        color=for_words(CLASS_COLOURS[label]), ha="center", va="center", zorder=7,
                        path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
    return ax


def _beside(ax: Axes, labelled_L_2: ndarray, rounds_L: Sequence[int]) -> list[ndarray]:
    """Where each number stands, in points from its mark: where marks and numbers placed before leave most room."""
    ax.apply_aspect()
    marks_L_2 = ax.transData.transform(np.asarray(labelled_L_2, dtype=float)) * 72 / ax.figure.dpi
    angles_A = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ways_A_2 = np.stack([np.cos(angles_A), np.sin(angles_A)], axis=1)
    taken, offsets = list(marks_L_2), []
    for number, mark_2 in zip(rounds_L, marks_L_2, strict=True):
        choices_W_2 = np.concatenate([10 * ways_A_2, 14 * ways_A_2])
        apart_W_T = np.linalg.norm(mark_2 + choices_W_2[:, None] - np.array(taken), axis=2)
        room_W = np.minimum(apart_W_T.min(axis=1), 12) - 0.3 * np.linalg.norm(choices_W_2, axis=1)
        offsets.append(choices_W_2[room_W.argmax()])
        taken += [mark_2 + offsets[-1]] if number else []
    return offsets


def falling(ax: Axes, counts_M: Sequence[int], measured: Mapping[str, ndarray], theory: Mapping[str, ndarray]) -> Axes:
    """Measured values as marks and predicted ones as lines of the same colour, on two logarithmic axes."""
    looks = looks_of(measured)
    for name, values_M in measured.items():
        ax.loglog(counts_M, theory[name], **looks[name].line)
        ax.loglog(counts_M, values_M, label=name, linestyle="none", **looks[name].mark)
    ax.set_xticks(counts_M, [str(count) for count in counts_M])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="posterior samples K")
    ax.legend()
    return ax
