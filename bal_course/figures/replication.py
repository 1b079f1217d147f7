"""Stored runs beside published ones: learning curves, labels to reach an accuracy, paired leads, what was asked, costs.

Records are grouped by the caller, name -> the runs of its seeds, as `bal_utils.sweep.replication.load_groups` reads them.
Dimensions: S seeds, R rounds, B images of a round, H W pixels, C classes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy import ndarray

from bal_utils.plotting import CLASS_COLOURS, PALETTE, label_ends, learning_curve, looks_of, seeds_in_words
from bal_utils.records import stack_runs

Quartiles = tuple[float, float, float]  # 25, 50 and 75 %; infinity is "not within the run", NaN "not known"
Lead = tuple[float, tuple[float, float] | None, int]  # mean, 95 % interval, pairs: what `paired_lead` returns
PARTS = {
    "train": ("training", ""),
    "evaluate": ("testing", "//"),
    "acquire": ("asking", "xx"),
}  # of a round: word, hatch


@dataclass(frozen=True)
class Table:
    """Words in rows and columns. As the last value of a notebook cell it is shown as a table, elsewhere as plain text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"rows: expected {len(self.columns)} entries in each, got {len(row)} in {list(row)}")

    def _repr_markdown_(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = ["  ".join(f"{w:{n}}" for w, n in zip(row, widths, strict=True)) for row in (self.columns, *self.rows)]
        return "\n".join(line.rstrip() for line in lines)


def curves_with_quartiles(
    ax: Axes,
    groups: Mapping[str, Sequence[dict]],
    *,
    quantity: str = "accuracy",
    thresholds: Sequence[float] = (),
    among: Sequence[str] | None = None,
) -> Axes:
    """A learning curve a group: the median over its seeds, and the band between the quartiles.

    Each is named at its end, with the number of its runs; where all have as many, the axis of labels tells it. `quantity`
    is a field of a round, "accuracy" or "nll". Each of `thresholds` is a dotted line. Strategies have their own colours;
    another name keeps its colour from figure to figure where `among` lists all names in the same order. Raises ValueError
    where a name is not in `among`.
    """
    looks = looks_of(groups if among is None else among)
    counts = {name: seeds_in_words(runs) for name, runs in groups.items()}
    alike = len(set(counts.values())) == 1
    for name, runs in groups.items():
        if name not in looks:
            raise ValueError(f"among: expected {name!r} among {list(looks)}")
        labels_R, values_S_R = stack_runs(runs, quantity)
        words = name if alike else f"{name} ({counts[name]})"
        learning_curve(ax, labels_R, values_S_R, name=words, look=looks[name])
    for threshold in thresholds:
        ax.axhline(threshold, color=PALETTE["grey"], linestyle=":", linewidth=1.2, zorder=1)
    if alike:
        ax.set_xlabel(f"labelled images ({next(iter(counts.values()))} each)")
    ax.set_ylabel({"accuracy": "test accuracy", "nll": "test NLL (nats)"}.get(quantity, quantity))
    return label_ends(ax)


def quartiles_in(row: Mapping[str, str], *, plus: float = 0) -> Quartiles:
    """The labels of a row of the table of published numbers (`bal_utils.sweep.replication.published`); an empty cell is NaN.

    `plus` is added, where a paper does not count the labels of the start.
    """
    low, median, high = (float(row[f"labels_q{q}"] or math.nan) + plus for q in (25, 50, 75))
    return low, median, high


def quartiles_in_words(quartiles: Quartiles | None) -> str:
    """Quartiles as "130/140/∞"; one number where they agree or only the median is known; a dash where nothing is."""
    known = [value for value in quartiles or () if not math.isnan(value)]
    words = ["∞" if math.isinf(value) else f"{value:g}" for value in known]
    return "/".join(words[:1] if len(set(words)) == 1 else words) or "–"


def reached_table(
    rows: Mapping[str, Mapping[float, tuple[Quartiles | None, Quartiles | None]]],
    *,
    counts: Mapping[str, str] | None = None,
) -> Table:
    """Labels to reach each accuracy, a row a group: published beside reproduced, 25/50/75 % over seeds.

    `rows` maps a group's name to accuracy (0.9 is 90 %) -> (published, ours), either None where there is none. `counts`
    tells for each group how many runs are ours. ∞ stands for an accuracy that was not reached within the run.
    Raises ValueError where groups do not have the same accuracies.
    """
    accuracies = list(next(iter(rows.values())))
    if any(list(cells) != accuracies for cells in rows.values()):
        raise ValueError(f"rows: expected the accuracies {accuracies} in every row")
    sides = [f"{100 * accuracy:g} %, {side}" for accuracy in accuracies for side in ("published", "ours")]
    found = [
        [name, *(quartiles_in_words(part) for pair in cells.values() for part in pair)] for name, cells in rows.items()
    ]
    if counts is not None:
        found = [[row[0], counts[row[0]], *row[1:]] for row in found]
    return Table(["", *(["ours"] if counts is not None else []), *sides], found)


def leads(ax: Axes, found: Mapping[str, Lead], *, wide: float = 0.0) -> Axes:
    """Paired leads, a row a pair of groups: the mean over seeds with its 95 % interval, and a dashed line at zero.

    `found` maps a name to what `bal_utils.sweep.replication.paired_lead` returns. A lead of one pair has no interval (None)
    and is drawn hollow. `wide` is the least half-width of the axis, in points of accuracy.
    """
    ax.axvline(0, color=PALETTE["grey"], linestyle="--", linewidth=1.2, zorder=1)
    colour = PALETTE["black"]  # the colours of strategies are for their curves
    for row, (mean, ends, _) in enumerate(found.values()):
        if ends is not None:
            ax.plot(ends, [row, row], color=colour, linewidth=3, solid_capstyle="butt", zorder=2)
        face = "white" if ends is None else colour
        ax.plot(mean, row, "o", color=colour, markerfacecolor=face, markersize=9, markeredgewidth=2, zorder=3)
    names = [f"{name} ({pairs} pair{'s' * (pairs != 1)})" for name, (_, _, pairs) in found.items()]
    ax.set(yticks=range(len(found)), yticklabels=names, ylim=(len(found) - 0.5, -0.5))
    furthest = max([wide, *(abs(end) for mean, ends, _ in found.values() for end in (ends or (mean,)))])
    ax.set(xlim=(-1.1 * furthest, 1.1 * furthest), xlabel="points of accuracy ahead, averaged over rounds")
    return ax


def verdict(ends: tuple[float, float] | None, *, claims: str) -> str:
    """What an interval says of a claim about a lead: that it is "above" zero, or "not above" zero.

    "above": confirmed where the whole interval is above zero, refuted where it is below. "not above": refuted where the
    whole interval is above zero, confirmed where it is below; where it holds zero, nothing speaks against the claim, and
    an interval that wide is quoted with it. Without an interval (one pair) the verdict is open.
    Raises ValueError for another claim.
    """
    if claims not in ("above", "not above"):
        raise ValueError(f"claims: expected 'above' or 'not above', got {claims!r}")
    if ends is None:
        return "open (one pair)"
    low, high = ends
    if low > 0:
        return "confirmed" if claims == "above" else "refuted"
    if high < 0:
        return "refuted" if claims == "above" else "confirmed"
    return "open" if claims == "above" else "not refuted"


def verdicts(rows: Iterable[tuple[str, str, str]]) -> Table:
    """A table of claims: the claim, the evidence in numbers, the verdict."""
    return Table(["claim", "evidence", "verdict"], [list(row) for row in rows])


def lead_in_words(lead: Lead) -> str:
    """A lead as "+1.3 points [0.4, 2.2], 3 pairs"."""
    mean, ends, pairs = lead
    words = "" if ends is None else f" [{ends[0]:+.1f}, {ends[1]:+.1f}]"
    return f"{mean:+.1f} points{words}, {pairs} pair{'s' * (pairs != 1)}"


def asked(ax: Axes, images_R_B_H_W: ndarray, names: Sequence[str], *, ring: Iterable[tuple[int, int]] = ()) -> Axes:
    """What was asked, a row a round and an image a column, ink dark on white; `names` stand beside the rows.

    `ring` lists (row, column) of images to frame. Images need one size; missing ones are NaN and stay white.
    """
    images_R_B_H_W = np.asarray(images_R_B_H_W, dtype=float)
    rounds, size, height, width = images_R_B_H_W.shape
    sheet = np.nan_to_num(images_R_B_H_W).swapaxes(1, 2).reshape(rounds * height, size * width)
    ax.imshow(sheet, cmap="gray_r", interpolation="nearest")
    for row, column in ring:
        corner = (column * width - 0.5, row * height - 0.5)
        ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=PALETTE["vermillion"], linewidth=2))
    ax.set(yticks=(np.arange(rounds) + 0.5) * height - 0.5, yticklabels=list(names), xticks=[])
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def class_shares(ax: Axes, shares_G_C: Mapping[str, ndarray]) -> Axes:
    """The share of each class among the images asked for, in per cent, a row a group; darker where it is larger."""
    share_G_C = np.array(list(shares_G_C.values()))
    ax.imshow(share_G_C, cmap="Blues", vmin=0, vmax=2 * share_G_C.max(), aspect="auto")
    for row, column in np.ndindex(*share_G_C.shape):
        ax.text(column, row, f"{100 * share_G_C[row, column]:.0f}", ha="center", va="center", color=PALETTE["black"])
    ax.set(xticks=range(share_G_C.shape[1]), yticks=range(len(share_G_C)), yticklabels=list(shares_G_C))
    ax.set_xlabel("class (shares in per cent)")
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def seconds(ax: Axes, parts: Mapping[str, Mapping[str, float]]) -> Axes:
    """Seconds of a round, a stacked bar a group: `train`, `evaluate` and `acquire`, each a colour and a hatch."""
    lefts = np.zeros(len(parts))
    for index, (part, (word, hatch)) in enumerate(PARTS.items()):
        widths = np.array([row[part] for row in parts.values()])
        ax.barh(range(len(parts)), widths, left=lefts, height=0.6, color=CLASS_COLOURS[index], hatch=hatch,
                edgecolor="white", label=word)  # fmt: skip
        lefts += widths
    ax.set(yticks=range(len(parts)), yticklabels=list(parts), ylim=(len(parts) - 0.5, -0.5), xlabel="seconds a round")
    ax.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def theirs_and_ours(
    ax: Axes,
    name: str,
    published: Mapping[str, Mapping[int, float]],
    ours: Sequence[Mapping[int, float]],
) -> Axes:
    """Published runs (thin, black), their mean (key "mean", thick, black) over our runs in the colour of the strategy `name`.

    A curve maps the labels in the training set to the accuracy. A strategy that is black or grey elsewhere is light blue here.
    """
    colour, black = looks_of([name])[name].colour, PALETTE["black"]
    if colour in (black, PALETTE["grey"]):
        colour = PALETTE["sky"]
    for run, curve in published.items():
        style = {"linewidth": 2.4, "zorder": 3} if run == "mean" else {"linewidth": 0.6, "alpha": 0.5}
        ax.plot(list(curve), list(curve.values()), color=black, label="published" if run == "mean" else None, **style)
    for number, curve in enumerate(ours):
        ax.plot(
            list(curve), list(curve.values()), color=colour, linewidth=1.2, alpha=0.8, label=None if number else "ours"
        )
    ax.axhline(0.9, color=PALETTE["grey"], linestyle=":", linewidth=1.2, zorder=1)
    ax.axhline(0.95, color=PALETTE["grey"], linestyle=":", linewidth=1.2, zorder=1)
    ax.set(title=name, xlabel="labelled images", ylim=(0.65, 1), xlim=(80, 1000))
    ax.legend(loc="lower right")
    return ax


def errors(
    ax: Axes, groups: Mapping[str, Sequence[dict]], *, looks: Mapping[str, tuple[str, str]] | None = None
) -> Axes:
    """The test error in per cent on a log axis against labels, a line a group: the mean over its seeds, a dot a run.

    `looks` gives each group a colour of the palette and a dash, where the two tell of two rules; by default all differ.
    """
    lines = {name: look.line for name, look in looks_of(groups).items()}
    for name, (colour, dash) in (looks or {}).items():
        lines[name] = {"color": PALETTE[colour], "linestyle": dash, "linewidth": 2.5}
    for name, runs in groups.items():
        labels_R, accuracy_S_R = stack_runs(runs, "accuracy")
        error_S_R = 100 * (1 - accuracy_S_R)
        ax.plot(labels_R, np.nanmean(error_S_R, axis=0), label=f"{name} ({seeds_in_words(runs)})", **lines[name])
        ax.plot(labels_R, error_S_R.T, ".", color=lines[name]["color"], markersize=5)
    ax.set(yscale="log", xlabel="labelled images", ylabel="test error (%)")
    ax.set_yticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    return ax
