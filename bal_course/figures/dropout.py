"""Pictures of dropout over weights: random matrices, scatter of estimates, errors of the L2 form, what q predicts.

Dimensions: R rows and D columns of a matrix, G places on a line, M dimensions of a row, K draws, T steps, H units.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_utils.plotting import PALETTE, looks_of, shade


def matrices(axes: Sequence[Axes], matrices_R_D: Sequence[ndarray], titles: Sequence[str]) -> Sequence[Axes]:
    """One heat map a matrix, zero in white, all on one scale. A row is a unit, a column one of the weights that leave it."""
    top = max(float(np.abs(np.asarray(matrix_R_D)).max()) for matrix_R_D in matrices_R_D)
    for ax, matrix_R_D, title in zip(axes, matrices_R_D, titles, strict=True):
        ax.imshow(np.asarray(matrix_R_D), cmap="PuOr", vmin=-top, vmax=top, interpolation="nearest", aspect="auto")
        ax.set(xticks=[], yticks=[], xlabel="weights", ylabel="units" if ax is axes[0] else "")
        ax.set_title(title, loc="center", fontsize=11)
        for side in ax.spines.values():
            side.set_visible(True)
    return axes


def estimates(ax: Axes, estimates: Mapping[str, ndarray], exact: float, *, span: float) -> Axes:
    """How estimates of one number scatter around it; what lies beyond `span` piles up at the edge."""
    bins = np.linspace(exact - span, exact + span, 61)
    looks = looks_of(estimates)
    for name, estimates_K in estimates.items():
        clipped_K = np.clip(estimates_K, bins[0], bins[-1])
        ax.hist(clipped_K, bins, density=True, histtype="step", linewidth=2, label=name, **looks[name].line)
    ax.axvline(exact, color=PALETTE["black"], linewidth=1)
    ax.set(ylabel="density")
    ax.legend(loc="upper left")
    return ax


def paths(ax: Axes, paths_T_H: Sequence[ndarray], names: Sequence[str], *, wall: float) -> Axes:
    """Rows of one weight along training, a colour and a dash for each program, and the band |m| < wall around zero."""
    looks = looks_of(names)
    ax.axhspan(-wall, wall, **shade(PALETTE["grey"], 0.2))
    for name, path_T_H in zip(names, paths_T_H, strict=True):
        ax.plot(np.asarray(path_T_H), linewidth=1.5, **looks[name].line)
        ax.plot([], [], label=name, **looks[name].line)
    ax.axhline(0, color=PALETTE["black"], linewidth=1)
    ax.set(xlabel="step", ylabel="m of a row")
    ax.legend(loc="lower right")
    return ax


def fading_gap(
    ax: Axes,
    dims_M: Sequence[int],
    gaps: Mapping[str, ndarray],
    measured: Mapping[str, Sequence[tuple[float, float]]],
    *,
    ceiling: float,
) -> Axes:
    """The error of the L2 form against the dimension of a row: lines, and measured values with two standard errors."""
    looks = looks_of(gaps)
    for name, gap_M in gaps.items():
        ax.plot(dims_M, gap_M, label=name, **looks[name].line)
        values, errors = np.array(measured[name]).T
        bars = {"linestyle": "none", "capsize": 3, "elinewidth": 1.5, **looks[name].mark}
        ax.errorbar(dims_M[: len(values)], values, yerr=2 * errors, **bars)
    ax.axhline(ceiling, color=PALETTE["black"], linewidth=1)
    ax.annotate("H[z], the most it can be", (dims_M[-1], ceiling), (0, -14), textcoords="offset points", ha="right")
    ax.set_xscale("log", base=2)
    ax.set_xticks(dims_M, [str(int(dims)) for dims in dims_M])
    ax.set(xlabel="dimension D of a row", ylabel="error (nats)")
    ax.legend(loc="center right")
    return ax


def function_draws(ax: Axes, line_G: ndarray, draws_G_K: ndarray, mean_G: ndarray, std_G: ndarray) -> Axes:
    """Functions drawn from q as thin lines, their mean, and the band of two predictive standard deviations."""
    mean_G, std_G = np.asarray(mean_G), np.asarray(std_G)
    band = shade(PALETTE["orange"], 0.25) | {"label": "±2 sd, a new observation"}
    ax.fill_between(line_G, mean_G - 2 * std_G, mean_G + 2 * std_G, **band)
    ax.plot(line_G, draws_G_K, color=PALETTE["blue"], linewidth=0.9, alpha=0.6)
    ax.lines[-1].set_label("one mask")
    ax.plot(line_G, mean_G, color=PALETTE["vermillion"], linestyle="--", linewidth=2.5, label="mean")
    ax.set(xlabel="x", ylabel="y")
    return ax


def bound_over_std(ax: Axes, stds_G: ndarray, elbos: Mapping[str, ndarray], log_evidence: float) -> Axes:
    """ELBOs against σ on a logarithmic axis, the best place of each marked, under the log evidence."""
    looks = looks_of(elbos)
    for name, elbo_G in elbos.items():
        best = int(np.argmax(elbo_G))
        ax.semilogx(stds_G, elbo_G, label=name, **looks[name].line)
        ax.plot(stds_G[best], elbo_G[best], markersize=9, **looks[name].mark)
    ax.axhline(log_evidence, color=PALETTE["black"], linewidth=1, label="log evidence, the ceiling")
    ax.set(xlabel="σ, in units of 1/l", ylabel="ELBO (nats)")
    ax.set_ylim(min(elbo_G[0] for elbo_G in elbos.values()), None)
    ax.legend(loc="lower center")
    return ax
