"""Pictures of regression: data, bundles of curves, bands, beliefs about two weights, what more data does.

Dimensions: N data points, G places of a fine grid, K curves, R C rows and columns of a map, M counts, D features.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_utils.plotting import DASHES, PALETTE, label_ends, looks_of

LINE_COLOURS = tuple(PALETTE[name] for name in ("vermillion", "blue", "green", "purple"))
DARK_LEGEND = {"labelcolor": "white", "frameon": True, "facecolor": PALETTE["black"], "framealpha": 0.8}
TWO_SIGMA = -2.0  # log density, relative to the peak, on the ellipse two standard deviations out


def observations(ax: Axes, inputs_N: ndarray, targets_N: ndarray, *, label: str = "trials", size: float = 42) -> Axes:
    """The data as black dots, above everything else."""
    ax.scatter(inputs_N, targets_N, s=size, color=PALETTE["black"], edgecolor="white", zorder=5, label=label)
    return ax


def drawn_curves(ax: Axes, places_G: ndarray, values_K_G: ndarray, *, label: str = "drawn from the posterior") -> Axes:
    """A bundle of thin curves, one a draw of the weights."""
    values_K_G = np.atleast_2d(values_K_G)
    ax.plot(places_G, values_K_G.T, color=PALETTE["sky"], linewidth=1)
    ax.lines[-1].set_label(label)
    return ax


def named_curves(ax: Axes, places_G: ndarray, values_by_name: Mapping[str, ndarray]) -> Axes:
    """A few curves that differ in colour and dash, with a legend."""
    for name, look in looks_of(values_by_name, colours=LINE_COLOURS).items():
        ax.plot(places_G, values_by_name[name], label=name, zorder=4, **look.line)
    ax.legend(loc="upper left")
    return ax


def band(
    ax: Axes,
    places_G: ndarray,
    mean_G: ndarray,
    epistemic_variance_G: ndarray,
    noise_variance: float,
    *,
    legend: bool = True,
) -> Axes:
    """The mean and two nested bands of ±2 standard deviations: doubt about the curve inside, a new measurement outside."""
    epistemic_G, total_G = np.sqrt(epistemic_variance_G), np.sqrt(epistemic_variance_G + noise_variance)
    blue = PALETTE["blue"]
    for std_G, alpha, label in ((total_G, 0.14, "±2 sd, new measurement"), (epistemic_G, 0.3, "±2 sd, curve alone")):
        ax.fill_between(places_G, mean_G - 2 * std_G, mean_G + 2 * std_G, color=blue, alpha=alpha, lw=0, label=label)
    for side in (-2, 2):
        ax.plot(places_G, mean_G + side * epistemic_G, color=blue, linewidth=0.8)
        ax.plot(places_G, mean_G + side * total_G, color=blue, linewidth=0.8, linestyle=":")
    ax.plot(places_G, mean_G, color=blue, label="mean")
    if legend:
        ax.legend(loc="upper left")
    return ax


def weight_map(
    ax: Axes,
    first_C: ndarray,
    second_R: ndarray,
    log_density_R_C: ndarray,
    marks: Mapping[str, tuple[float, float]],
    *,
    level: float = TWO_SIGMA,
    legend: bool = True,
) -> Axes:
    """A density over two weights, bright where high, with named marks, and a white line where its logarithm is `level`.

    The level is relative to the peak; the default is the line two standard deviations out of a normal density.
    """
    relative_R_C = log_density_R_C - log_density_R_C.max()
    ax.contourf(first_C, second_R, np.exp(relative_R_C), levels=np.linspace(0, 1, 17))
    ax.contour(first_C, second_R, relative_R_C, levels=[level], colors="white", linewidths=1.5, linestyles="-")
    for name, look in looks_of(marks, colours=LINE_COLOURS).items():
        size = 150 if look.marker == "*" else 70
        ax.scatter(*marks[name], s=size, edgecolor="white", zorder=5, label=name, **look.mark)
    if legend:
        ax.legend(loc="lower left", **DARK_LEGEND)
    return ax


def learning_steps(
    axes_R_3: ndarray,
    places_G: ndarray,
    rows: Mapping[str, tuple],
    *,
    truth: tuple[float, float],
    noise_std: float,
    window: float = 1.5,
) -> ndarray:
    """One row a step: the likelihood of the newest datum, the belief over two weights, and the lines it allows.

    A row is a title and `(belief, inputs_N, targets_N, lines_K_G)`; a belief has `mean_D` and `covariance_D_D`. Before the
    first datum there is no likelihood, and its place stays empty.
    """
    window_C = np.linspace(-window, window, 151)
    weights_R_C_2 = np.stack(np.meshgrid(window_C, window_C), axis=-1)
    for (first, middle, right), (title, (belief, inputs_N, targets_N, lines_K_G)) in zip(
        axes_R_3, rows.items(), strict=True
    ):
        if len(inputs_N):
            misses_R_C = targets_N[-1] - weights_R_C_2 @ [1, inputs_N[-1]]
            weight_map(first, window_C, window_C, -0.5 * (misses_R_C / noise_std) ** 2, {"truth": truth}, legend=False)
            first.set(title=f"trial {len(inputs_N)} by itself", ylabel="gain", aspect="equal")
        else:
            first.set_axis_off()
        offsets_R_C_2 = weights_R_C_2 - belief.mean_D
        precision_D_D = np.linalg.inv(belief.covariance_D_D)
        log_density_R_C = -0.5 * np.einsum("rcd,de,rce->rc", offsets_R_C_2, precision_D_D, offsets_R_C_2)
        weight_map(middle, window_C, window_C, log_density_R_C, {"truth": truth}, legend=middle is axes_R_3[0, 1])
        middle.set(title=f"belief {title}", aspect="equal")
        observations(drawn_curves(right, places_G, lines_K_G), inputs_N, targets_N)
        right.set(ylim=(-1.6, 1.6), ylabel="turn rate (rad/s)", title=f"lines {title}")
    axes_R_3[0, 1].set_ylabel("gain")
    for ax, label in zip(axes_R_3[-1], ("drift", "drift", "stick position"), strict=True):
        ax.set_xlabel(label)
    return axes_R_3


def contraction(ax: Axes, counts_M: ndarray, std_S_M: ndarray, limit_M: ndarray) -> Axes:
    """A standard deviation against the number of data on logarithmic axes: one line a data set, the predicted one dashed."""
    ax.loglog(counts_M, std_S_M.T, color=PALETTE["sky"], linewidth=1)
    ax.lines[-1].set_label("one data set each")
    ax.loglog(counts_M, limit_M, color=PALETTE["vermillion"], linestyle="--", label="predicted, falls as 1/√N")
    ax.legend(loc="upper right")
    return ax


def coverage(ax: Axes, places_G: ndarray, shares: Mapping[str, ndarray], *, promised: float, inputs_N: ndarray) -> Axes:
    """The share of new measurements inside each band, against what the bands promise; ticks mark where the data are.

    Each curve is named at its end.
    """
    named_curves(ax, places_G, shares).get_legend().remove()
    ax.axhline(promised, color=PALETTE["grey"], linewidth=1)
    ax.plot(inputs_N, np.full(len(inputs_N), 0.5 * 0.06), "|", color=PALETTE["black"], markersize=14)
    ax.set(ylabel="share of new measurements inside", ylim=(0, 1.05), xlim=(places_G[0], places_G[-1]))
    return label_ends(ax)


def clouds(ax: Axes, draws: Mapping[str, ndarray]) -> Axes:
    """Clouds of draws of two weights; a cloud is a colour and a marker."""
    for name, look in looks_of(draws, colours=LINE_COLOURS).items():
        ax.scatter(*draws[name].T, s=10, label=name, **look.mark)
    ax.legend(loc="lower right", markerscale=2)
    return ax


def basis(ax: Axes, places_G: ndarray, features_G_D: ndarray) -> Axes:
    """Every basis function as a curve; colours and dashes tell neighbours apart."""
    colours = (*LINE_COLOURS, PALETTE["orange"], PALETTE["sky"])
    for d, values_G in enumerate(features_G_D.T):
        ax.plot(places_G, values_G, color=colours[d % len(colours)], linestyle=DASHES[d % len(DASHES)])
    return ax


def against_size(ax: Axes, sizes_D: ndarray, values_D: ndarray, *, best: int, higher: bool) -> Axes:
    """A score against the number of features; a ring marks the best, with the side that counts as better in the label."""
    ax.plot(sizes_D, values_D, marker="o", color=PALETTE["blue"])
    place = list(sizes_D).index(best)
    ring = {"s": 240, "facecolor": "none", "edgecolor": PALETTE["vermillion"], "linewidth": 2.5, "zorder": 5}
    ax.scatter([best], [values_D[place]], label=f"best: {best} ({'highest' if higher else 'lowest'})", **ring)
    ax.set(xlabel="number of features", xticks=sizes_D[::3])
    ax.legend(loc="upper right" if not higher else "lower right")
    return ax
