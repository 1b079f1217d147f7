"""Pictures of two classes in the plane: patients, probability maps, bundles of boundaries, beliefs, calibration.

Dimensions: N points, K draws of two weights, R C rows and columns of a map, B bins, M methods, T steps.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke

from bal_course.figures.regression import DARK_LEGEND, weight_map
from bal_utils.plotting import CLASS_COLOURS, CLASS_MARKERS, PALETTE, look_of, looks_of, outlined

CLASS_NAMES = ("well", "ill")
PROBABILITY_MAP = "RdBu_r"  # blue for class 0, red for class 1, white for one half
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def patients(ax: Axes, inputs_N_2: np.ndarray, labels_N: np.ndarray, star: Sequence[float] | None = None) -> Axes:
    """Patients of two classes by their two markers, told apart by colour and shape, and the star whose class is asked for."""
    inputs_N_2, labels_N = np.asarray(inputs_N_2), np.asarray(labels_N)
    for label, name in enumerate(CLASS_NAMES):
        style = {"marker": CLASS_MARKERS[label], "color": CLASS_COLOURS[label], "edgecolor": "white", "zorder": 4}
        ax.scatter(*inputs_N_2[labels_N == label].T, s=60, label=name, **style)
    if star is not None:
        ax.scatter(
            *np.asarray(star), s=330, marker="*", color=PALETTE["black"], edgecolor="white", zorder=5, label="star"
        )
    ax.set(xlabel="marker A", ylabel="marker B", aspect="equal")
    return ax


def probability_map(
    ax: Axes, x_C: np.ndarray, y_R: np.ndarray, probs_R_C: np.ndarray, levels: Sequence[float] = LEVELS
) -> Axes:
    """The probability of class 1 over the plane, with labelled lines of equal probability; the line of one half is thick."""
    probs_R_C = np.asarray(probs_R_C)
    ax.pcolormesh(
        x_C, y_R, probs_R_C, cmap=PROBABILITY_MAP, vmin=0, vmax=1, shading="nearest", rasterized=True, alpha=0.75
    )
    widths = [2.5 if level == 0.5 else 1 for level in levels]
    lines = ax.contour(x_C, y_R, probs_R_C, levels=levels, colors=PALETTE["black"], linewidths=widths, linestyles="-")
    outlined(ax.clabel(lines, fmt="%.2g", fontsize=11))
    return ax


def _boundaries(ax: Axes, weights_K_2: np.ndarray, *, name: str = "", best: bool = False) -> Axes:
    """The lines w·x = 0, one a draw: a thin bundle, or thick and dashed for `best`. Stays within the present limits."""
    weights_K_2 = np.atleast_2d(np.asarray(weights_K_2))
    along_K_2 = np.stack([-weights_K_2[:, 1], weights_K_2[:, 0]], axis=1)
    along_K_2 = 100 * along_K_2 / np.linalg.norm(along_K_2, axis=1, keepdims=True)
    limits = ax.get_xlim(), ax.get_ylim()
    look = (
        {"color": PALETTE["black"], "lw": 2.5, "ls": "--"}
        if best
        else {"color": PALETTE["green"], "lw": 0.8, "alpha": 0.7}
    )
    for index, (right, up) in enumerate(along_K_2):
        ax.plot([-right, right], [-up, up], zorder=3, label="" if index else name, **look)
    ax.set(xlim=limits[0], ylim=limits[1])
    return ax


def fan(ax: Axes, weights_K_2: np.ndarray, best_2: np.ndarray) -> Axes:
    """The boundaries of K draws over a picture of patients, and the most probable one."""
    ax.set(xlim=(-6, 6), ylim=(-3, 9))
    _boundaries(ax, weights_K_2, name="drawn")
    _boundaries(ax, best_2, name="most probable", best=True)
    ax.legend(loc="upper left", frameon=True, framealpha=0.9)
    return ax


def weight_plane(
    ax: Axes,
    first_C: np.ndarray,
    second_R: np.ndarray,
    log_density_C_R: np.ndarray,
    draws_K_2: np.ndarray,
    *,
    name: str,
) -> Axes:
    """A posterior over the weights of markers A and B, the peak marked, and draws from it as white dots."""
    log_density_R_C = np.asarray(log_density_C_R).T
    row, column = np.unravel_index(log_density_R_C.argmax(), log_density_R_C.shape)
    peak = {"most probable": (float(first_C[column]), float(second_R[row]))}
    weight_map(ax, np.asarray(first_C), np.asarray(second_R), log_density_R_C, peak)
    ax.scatter(*np.asarray(draws_K_2).T, s=8, color="white", label=name)
    ax.set(xlabel="weight of marker A", ylabel="weight of marker B", xlim=(-3, 14), ylim=(-10, 10))
    ax.legend(loc="upper right", **DARK_LEGEND)
    return ax


def opinions(ax: Axes, probs_K: np.ndarray, *, shares_K: np.ndarray | None = None, average: float) -> Axes:
    """How much of the posterior gives the star which probability, in twenty bins, and the average as a dashed line."""
    shares_K = np.full(len(probs_K), 1 / len(probs_K)) if shares_K is None else np.asarray(shares_K)
    ax.hist(np.asarray(probs_K), bins=np.linspace(0, 1, 21), weights=shares_K, color=PALETTE["sky"], edgecolor="white")
    ax.axvline(average, color=PALETTE["black"], linestyle="--", label=f"average {average:.2f}")
    ax.set(xlabel="p(ill) of the star, according to one line", ylabel="share of the posterior")
    ax.legend()
    return ax


def ellipse(ax: Axes, mean_2: np.ndarray, covariance_2_2: np.ndarray, *, name: str) -> Axes:
    """The line two standard deviations out of a normal distribution over two weights."""
    variances_2, directions_2_2 = np.linalg.eigh(np.asarray(covariance_2_2))
    angle = np.degrees(np.arctan2(directions_2_2[1, 1], directions_2_2[0, 1]))
    size = {"width": 4 * variances_2[1] ** 0.5, "height": 4 * variances_2[0] ** 0.5, "angle": angle}
    line = Ellipse(np.asarray(mean_2), **size, fill=False, linewidth=2.5, label=name)
    line.set(edgecolor=look_of("laplace").colour, linestyle="--")
    line.set_path_effects([withStroke(linewidth=4.5, foreground="white")])
    ax.add_patch(line)
    return ax


def reliability(ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """How often a method is right (B) against how sure it says it is (B); on the diagonal, its word can be taken."""
    ax.plot([0.5, 1], [0.5, 1], color=PALETTE["grey"], linewidth=1, linestyle=":", label="perfectly calibrated")
    looks = looks_of(curves)
    for name, (said_B, right_B) in curves.items():
        ax.plot(said_B, right_B, label=name, **looks[name].style)
    ax.set(xlabel="probability given to the predicted class", ylabel="share that was right", aspect="equal")
    ax.legend(loc="upper left")
    return ax
