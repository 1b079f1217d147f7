"""Pictures of variational inference: densities, bounds, variances of gradients and Gaussian ellipses, drawn into `ax`.

Dimensions: G places on a line, P points.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from numpy import ndarray

from bal_utils.plotting import PALETTE, label_ends, look_of, looks_of, shade


def densities(ax: Axes, places_G: ndarray, target_G: ndarray, curves: Mapping[str, ndarray], *, target: str) -> Axes:
    """A filled target density, and named curves over it, each with its own colour and dash."""
    ax.fill_between(places_G, target_G, label=target, **shade(PALETTE["grey"], 0.3))
    looks = looks_of(curves)
    for name, values_G in curves.items():
        ax.plot(places_G, values_G, label=name, **looks[name].line)
    ax.set(xlabel="w", ylabel="density")
    ax.set_ylim(bottom=0, auto=True)  # a shared axis must still see the next panel's heights
    ax.legend(loc="best")
    return ax


def bound_bars(ax: Axes, elbos: Mapping[str, float], log_evidence: float) -> Axes:
    """A bar up to each ELBO, a hatched one for what is missing, and the log evidence as the line that none can pass."""
    names, heights = list(elbos), np.array(list(elbos.values()))
    bottom = heights.min() - 0.6 * (log_evidence - heights.min())
    ax.bar(names, heights - bottom, bottom=bottom, color=PALETTE["blue"], width=0.6, label="ELBO")
    style = {"color": "white", "edgecolor": PALETTE["vermillion"], "hatch": "///"}
    ax.bar(names, log_evidence - heights, bottom=heights, width=0.6, label="gap = KL(q ‖ posterior)", **style)
    ax.axhline(log_evidence, color=PALETTE["black"], linestyle="--", label="log evidence")
    for place, height in enumerate(heights):
        ax.annotate(
            f"{log_evidence - height:.2f}", (place, log_evidence), (0, 4), textcoords="offset points", ha="center"
        )
    ax.set(ylabel="nats", ylim=(bottom, log_evidence + 0.5 * (log_evidence - bottom)))
    ax.legend(loc="upper left", ncols=3)
    return ax


def lines_and_dots(
    ax: Axes,
    x_P: Sequence[float],
    lines: Mapping[str, ndarray],
    dots: Mapping[str, ndarray],
    *,
    lines_at: Sequence[float] | None = None,
) -> Axes:
    """Expected curves as lines and measured values of the same names as marks, on two logarithmic axes, named at their ends.

    `lines_at` are the places of the lines, if they are not those of the marks, `x_P`.
    """
    looks = looks_of(lines)
    for name, values_P in lines.items():
        ax.loglog(x_P if lines_at is None else lines_at, values_P, label=name, **looks[name].line)
        ax.plot(x_P, dots[name], linestyle="none", **looks[name].mark)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    return label_ends(ax)


def below_ceiling(ax: Axes, values_P: Sequence[float], ceiling: float, *, limit: str) -> Axes:
    """An objective after each step under the line that it cannot pass."""
    ax.plot(np.arange(len(values_P)), values_P, color=PALETTE["blue"], label="ELBO")
    ax.axhline(ceiling, color=PALETTE["black"], linestyle="--", label=limit)
    ax.set(xlabel="step", ylabel="nats")
    ax.legend(loc="lower right")
    return ax


def ellipses(ax: Axes, mean_2: ndarray, covariance_2_2: ndarray, *, name: str) -> Axes:
    """The lines one and two standard deviations from the mean of a Gaussian in the plane, in the colour of its posterior."""
    angles_G = np.linspace(0, 2 * np.pi, 200)
    circle_2_G = np.stack([np.cos(angles_G), np.sin(angles_G)])
    scale_2_2 = np.linalg.cholesky(np.asarray(covariance_2_2))
    for radius in (1, 2):
        line_2_G = np.asarray(mean_2)[:, None] + radius * scale_2_2 @ circle_2_G
        ax.plot(*line_2_G, label=name if radius == 1 else None, **look_of(name).line)
    return ax


def bands(ax: Axes, x_G: ndarray, curves: Mapping[str, tuple[ndarray, ndarray]]) -> Axes:
    """Named means with the band two standard deviations to either side; its edges carry the dash."""
    looks = looks_of(curves)
    for name, (mean_G, std_G) in curves.items():
        ax.fill_between(x_G, mean_G - 2 * std_G, mean_G + 2 * std_G, **shade(looks[name].colour, 0.18))
        for side in (-2, 2):
            ax.plot(x_G, mean_G + side * std_G, label=name if side == 2 else None, **looks[name].line)
    return ax
