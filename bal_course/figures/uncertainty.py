"""Pictures of doubt: its two parts along a line, in bars, against the number of data, and detectors of strangers.

Dimensions: N data points, G places of a fine grid, B bars, M counts, H classes held out, E steps of a loss curve.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from bal_utils.plotting import PALETTE, looks_of, shade

NOISE = {"color": PALETTE["orange"], "label": "noise (aleatoric)"}
IGNORANCE = {"color": PALETTE["blue"], "label": "ignorance (epistemic)", "hatch": "//", "edgecolor": "white"}
WITHIN_TWO = 2.0  # standard deviations on either side
DISC = 0.045  # width of a disc with a number, as a share of the range of all


def lake(ax: Axes, places_N: ndarray, depths_N: ndarray, questions: Mapping[str, float]) -> Axes:
    """Soundings as dots, and dashed lines with letters at the places that are asked about."""
    ax.scatter(places_N, depths_N, s=30, color=PALETTE["black"], edgecolor="white", linewidth=0.7, zorder=5)
    for name, place in questions.items():
        ax.axvline(place, color=PALETTE["vermillion"], linestyle="--", linewidth=1.5, zorder=1)
        ax.text(place + 0.12, 0.03, name, color=PALETTE["vermillion"], weight="bold", size=15,
                transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set(xlim=(0, 12), xlabel="place (km)", ylabel="depth (m above or below ten)")
    return ax


def bands(ax: Axes, places_G: ndarray, mean_G: ndarray, aleatoric_G: ndarray, epistemic_G: ndarray) -> Axes:
    """Two nested bands of ±2 standard deviations from variances: doubt about the depth inside, a new sounding outside."""
    for variance_G, colour, alpha, label in (
        (aleatoric_G + epistemic_G, "orange", 0.3, "±2 sd, a new sounding"),
        (epistemic_G, "blue", 0.4, "±2 sd, the depth itself"),
    ):
        half_G = WITHIN_TWO * np.sqrt(variance_G)
        style = shade(PALETTE[colour], alpha, "-" if colour == "blue" else "--")
        ax.fill_between(places_G, mean_G - half_G, mean_G + half_G, label=label, **style)
    ax.plot(places_G, mean_G, color=PALETTE["blue"], label="prediction")
    ax.legend(loc="upper left")
    return ax


def stacked(
    ax: Axes, names: Sequence[str], aleatoric_B: ndarray, epistemic_B: ndarray, *, form: str = "{:.2f}"
) -> Axes:
    """Horizontal bars from the top, noise first and ignorance on top of it, with the sum at the end."""
    aleatoric_B, epistemic_B = np.asarray(aleatoric_B), np.asarray(epistemic_B)
    rows_B = np.arange(len(names))
    ax.barh(rows_B, aleatoric_B, height=0.62, **NOISE)
    ends = ax.barh(rows_B, epistemic_B, left=aleatoric_B, height=0.62, **IGNORANCE)
    ax.bar_label(ends, [form.format(total) for total in aleatoric_B + epistemic_B], padding=4)
    ax.set(yticks=rows_B, yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    ax.set_xlim(0, 1.25 * (aleatoric_B + epistemic_B).max())
    return ax


def doubling(
    ax: Axes, counts_M: Sequence[int], promised: Mapping[str, ndarray], measured: Mapping[str, ndarray]
) -> Axes:
    """A variance against the number of data on logarithmic axes: lines are the model's promises, marks what was measured."""
    for name, look in looks_of(promised).items():
        ax.loglog(counts_M, promised[name], label=name, **look.line)
        if name in measured:
            ax.scatter(counts_M, measured[name], s=60, edgecolor="white", zorder=4, **look.mark)
    ax.set_xticks(counts_M, [str(count) for count in counts_M])
    ax.minorticks_off()
    ax.legend()
    return ax


def loss_curves(ax: Axes, steps_E: ndarray, losses: Mapping[str, ndarray]) -> Axes:
    """Losses against one quantity, a dot where each is least unless that is at an end."""
    looks = looks_of(losses)
    for name, loss_E in losses.items():
        least = int(np.argmin(loss_E))
        ax.plot(steps_E, loss_E, label=name, **looks[name].line)
        if 0 < least < len(steps_E) - 1:
            ax.scatter(steps_E[least], loss_E[least], color=looks[name].colour, s=60, zorder=4)
    ax.set_ylabel("loss (nats)")
    ax.legend()
    return ax


def against_truth(ax: Axes, places_G: ndarray, learned_K_G: ndarray, truth_G: ndarray, *, label: str = "truth") -> Axes:
    """What was learned, one thin line a network, over the truth as a thick dashed one."""
    ax.plot(places_G, truth_G, color=PALETTE["black"], linestyle="--", linewidth=3, label=label)
    ax.plot(places_G, np.atleast_2d(learned_K_G).T, color=PALETTE["vermillion"], linewidth=1.2, alpha=0.8)
    ax.lines[-1].set_label("learned")
    ax.legend()
    return ax


def stacked_apart(places_H: ndarray, width: float) -> ndarray:
    """Heights within ±0.33 for discs of this width at these places, so that each is on the first level that has room."""
    ends: list[float] = []  # of each level, so far
    levels_H = np.zeros(len(places_H), dtype=int)
    for held_out in np.argsort(places_H, kind="stable"):
        place = float(places_H[held_out])
        level = next((level for level, end in enumerate(ends) if place - end >= width), len(ends))
        ends[level : level + 1] = [place]
        levels_H[held_out] = level
    top = max(levels_H)
    return 0.33 * (2 * levels_H - top) / max(top, 1)


def detectors(ax: Axes, scores: Mapping[str, ndarray]) -> Axes:
    """One row a detector: a disc with its number for each class held out, placed at its AUROC, and a bar at their mean."""
    looks = looks_of(scores)
    every = np.concatenate([np.asarray(score_H) for score_H in scores.values()])
    for row, (name, score_H) in enumerate(scores.items()):
        rows_H = row + stacked_apart(score_H, DISC * np.ptp(every))
        ax.scatter(score_H, rows_H, s=210, color=looks[name].colour, edgecolor="white", label=name, zorder=3)
        for held_out, (score, place) in enumerate(zip(score_H, rows_H, strict=True)):
            ax.text(score, place, held_out, color="white", size=11, weight="bold", ha="center", va="center", zorder=4)
        ax.plot([np.mean(score_H)] * 2, [row - 0.45, row + 0.45], color=PALETTE["black"], linewidth=2.5, zorder=2)
    ax.set(yticks=range(len(scores)), yticklabels=list(scores), ylim=(len(scores) - 0.4, -0.6), xlabel="AUROC")
    return ax
