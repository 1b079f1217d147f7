"""Pictures of strategies: scores over all predictions, covering with circles, races against random, queries and costs.

Dimensions: G predictions of a grid, N points, B points chosen, S seeds, R rounds.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy import ndarray

from bal_utils.plotting import HEAT_MAP, PALETTE, looks_of, shade
from bal_utils.theory.intervals import has_interval, interval

CORNERS_3_2 = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def simplex_grid(steps: int = 60) -> ndarray:
    """probs_G_3: all predictions of three classes in multiples of 1/steps."""
    first_G, second_G = np.array([(i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]).T
    return np.stack([first_G, second_G, steps - first_G - second_G], axis=1) / steps


def simplex(
    ax: Axes,
    score: Callable[[torch.Tensor], torch.Tensor],
    marks: Mapping[str, Sequence[float]],
    classes: Sequence[str],
) -> Axes:
    """A score of probs_G_3 over the triangle of all predictions for three classes, with named predictions and level lines.

    The marked prediction of highest score is ringed.
    """
    probs_G_3 = simplex_grid()
    score_G = score(torch.from_numpy(probs_G_3)).numpy()
    ax.tricontourf(*(probs_G_3 @ CORNERS_3_2).T, score_G, levels=24, cmap=HEAT_MAP)
    ax.tricontour(*(probs_G_3 @ CORNERS_3_2).T, score_G, levels=6, colors="white", linewidths=0.7, linestyles="solid")
    best = score(torch.tensor(list(marks.values()), dtype=torch.float64)).argmax().item()
    for index, (name, probs_3) in enumerate(marks.items()):
        x, y = np.asarray(probs_3) @ CORNERS_3_2
        ax.scatter(x, y, s=30, color="white", edgecolor=PALETTE["black"], zorder=3)
        ax.annotate(name, (x, y), xytext=(0, 9), textcoords="offset points", color="white", weight="bold",
                    ha="center", path_effects=outline())  # fmt: skip
        if index == best:
            ax.scatter(x, y, s=230, facecolor="none", edgecolor=PALETTE["vermillion"], linewidth=3, zorder=4)
    for (x, y), name in zip(CORNERS_3_2, classes, strict=True):
        ax.annotate(name, (x, y), xytext=(0, 5 if y else -15), textcoords="offset points", ha="center")
    ax.set(aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.12, 1.0))
    ax.set_axis_off()
    return ax


def outline() -> list:
    """A dark edge that keeps white letters legible on any colour."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground=PALETTE["black"])]


def lines_by_name(ax: Axes, x_G: ndarray, values: Mapping[str, ndarray]) -> Axes:
    """Quantities against one other, each a colour and a dash."""
    looks = looks_of(values)
    for name, value_G in values.items():
        ax.plot(x_G, value_G, label=name, **looks[name].line)
    ax.legend()
    return ax


def covering(ax: Axes, points_N_2: ndarray, labelled_L_2: ndarray, chosen_B: Sequence[int], radius: float) -> Axes:
    """Points, the labelled ones as squares, the chosen ones numbered, and a disc of one radius around each centre."""
    points_N_2, labelled_L_2 = np.asarray(points_N_2), np.asarray(labelled_L_2)
    chosen_B_2 = points_N_2[list(chosen_B)]
    for centre in np.concatenate([labelled_L_2, chosen_B_2]):
        ax.add_patch(Circle(centre, radius, **shade(PALETTE["blue"], 0.12)))
    ax.scatter(*points_N_2.T, s=18, color=PALETTE["grey"], zorder=2, label="pool")
    ax.scatter(*labelled_L_2.T, s=90, marker="s", color=PALETTE["black"], zorder=3, label="labelled")
    ax.scatter(*chosen_B_2.T, s=210, color=PALETTE["vermillion"], zorder=3, label="chosen, in order")
    for order, (x, y) in enumerate(chosen_B_2, start=1):
        ax.text(x, y, order, color="white", weight="bold", size=11, ha="center", va="center_baseline", zorder=4)
    ax.set_aspect("equal")
    ax.set(xlabel="first feature", ylabel="second feature")
    return ax


def mean_with_interval(
    ax: Axes, labels_R: ndarray, value_S_R: ndarray, *, name: str, colour: str, dash: str = "-"
) -> Axes:
    """The mean over seeds and the 95 % interval of that mean, by Student's t; one seed has a line and no interval."""
    ax.plot(labels_R, value_S_R.mean(axis=0), color=colour, linestyle=dash, label=name)
    if has_interval(value_S_R[:, 0]):
        low_R, high_R = np.array([interval(value_S) for value_S in value_S_R.T]).T
        ax.fill_between(labels_R, low_R, high_R, **shade(colour, 0.2, dash))
    return ax


def shares(ax: Axes, share_S: Mapping[str, ndarray], *, reference: float, note: str) -> Axes:
    """One bar a strategy: the mean share over seeds, the 95 % interval of several, and a dashed line at the pool's share."""
    looks = looks_of(share_S)
    for row, (name, value_S) in enumerate(share_S.items()):
        mean = np.mean(value_S)
        ax.barh(row, mean, height=0.6, color=looks[name].colour)
        error = None
        if has_interval(value_S):
            low, high = interval(value_S)
            error = [[mean - low], [high - mean]]
        ax.errorbar(mean, row, xerr=error, color=PALETTE["black"], capsize=4, label=name)
    ax.axvline(reference, color=PALETTE["black"], linestyle="--", linewidth=1.5)
    ax.text(reference + 0.02, -0.72, note, va="center")
    ax.set(yticks=range(len(share_S)), yticklabels=list(share_S), ylim=(len(share_S) - 0.5, -1), xlim=(0, 1))
    return ax


def spread_of_runs(ax: Axes, values: Mapping[str, ndarray], *, truth: float) -> Axes:
    """One row a way to estimate: where nine runs in ten lie, a diamond at their mean, and a dashed line at the truth."""
    ax.axvline(truth, color=PALETTE["black"], linestyle="--", linewidth=1.5)
    for row, (name, value_S) in enumerate(values.items()):
        ax.plot(np.quantile(value_S, [0.05, 0.95]), [row, row], color=PALETTE["sky"], linewidth=5, label=name)
        ax.plot(np.mean(value_S), row, "D", color=PALETTE["black"], markersize=8)
    ax.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5))
    return ax
