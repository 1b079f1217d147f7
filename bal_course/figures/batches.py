"""Pictures of batches: information as areas, what grows with the batch, greedy against the best, errors, evaluations, costs.

Dimensions: B sizes of a batch, M configurations, P pools.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter
from numpy import ndarray

from bal_utils.plotting import CLASS_COLOURS, PALETTE, looks_of, shade


def lens(first: float, second: float, distance: float) -> float:
    """The area that two discs of these radii share when their centres are so far apart."""
    small, large = sorted((first, second))
    if distance <= large - small:
        return math.pi * small**2
    if distance >= large + small:
        return 0.0
    at_small = (distance**2 + small**2 - large**2) / (2 * distance)
    at_large = distance - at_small
    halves = ((small, at_small), (large, at_large))
    return sum(r**2 * math.acos(x / r) - x * math.sqrt(max(r**2 - x**2, 0.0)) for r, x in halves)


def distance_for(first: float, second: float, shared: float) -> float:
    """How far apart the centres of two discs are that share this area; found by halving an interval.

    Raises ValueError where the smaller disc is not that large, or the area is negative.
    """
    if not -1e-9 <= shared <= math.pi * min(first, second) ** 2 + 1e-9:
        raise ValueError(f"shared: expected between 0 and the area of the smaller disc, got {shared:g}")
    near, far = abs(first - second), first + second
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if lens(first, second, middle) > shared else (near, middle)
    return (near + far) / 2


def venn(ax: Axes, names: Sequence[str], areas: Sequence[float], shared: float) -> Axes:
    """Two discs whose areas, and whose common area, are amounts of information in nats; the numbers stand in them."""
    radii = [math.sqrt(area / math.pi) for area in areas]
    apart = distance_for(*radii, shared)
    styles = (("blue", "-", 0.78), ("vermillion", "--", -0.78))
    for name, area, radius, x, style in zip(names, areas, radii, (0.0, apart), styles, strict=True):
        colour, dash, height = style
        ax.add_patch(Circle((x, 0), radius, **shade(PALETTE[colour], 0.22, dash) | {"linewidth": 2}))
        ax.text(x + 0.1 * np.sign(height), height, f"{name} {area:.2f}", ha="center", va="center")
    if shared > 1e-6:
        middle = (max(-radii[0], apart - radii[1]) + min(radii[0], apart + radii[1])) / 2
        ax.text(middle, 0, f"{shared:.2f}", ha="center", va="center", weight="bold")
    ax.set(aspect="equal", xlim=(-0.8, 2.0), ylim=(-0.95, 0.95))
    ax.set_axis_off()
    return ax


def growth(ax: Axes, worth: Mapping[str, ndarray], caps: Mapping[str, float]) -> Axes:
    """Information after 1, 2, … labels of a batch, a line a name; a cap is a thin line that no batch can cross."""
    looks = looks_of(worth)
    for name, worth_B in worth.items():
        ax.plot(np.arange(1, len(worth_B) + 1), worth_B, label=name, **looks[name].line)
    for name, cap in caps.items():
        ax.axhline(cap, color=PALETTE["grey"], linewidth=0.8, zorder=1)  # behind the curves that reach it
        ax.text(1.01, cap, name, transform=ax.get_yaxis_transform(), va="center")
    ax.set(xlabel="labels in the batch b", ylabel="information (nats)", ylim=(0, None))
    ax.legend(loc="lower right")
    return ax


def against_the_best(ax: Axes, ratio_P: ndarray, bound: float) -> Axes:
    """How much of the best batch's information greedy choice reaches in many pools, and the share it cannot fall below.

    A ratio of one that rounding has lifted above one is counted with the best.
    """
    ax.hist(np.minimum(ratio_P, 1.0), bins=np.linspace(0.6, 1.0, 41), color=PALETTE["blue"])
    ax.axvline(bound, color=PALETTE["vermillion"], linestyle="--")
    ax.text(bound + 0.005, 0.95, f"guaranteed: {bound:.3f}", transform=ax.get_xaxis_transform(), va="top")
    ax.set(xlabel="greedy batch / best batch", ylabel="pools", xlim=(0.6, 1.005))
    return ax


def errors(ax: Axes, sizes_M: Sequence[int], error: Mapping[str, ndarray]) -> Axes:
    """Errors of estimates against the number of configurations, both on logarithmic axes; dotted: one over its root."""
    looks = looks_of(error)
    for name, error_M in error.items():
        ax.plot(sizes_M, error_M, label=name, **looks[name].style)
    start = max(error_M[0] for error_M in error.values())
    ax.plot(sizes_M, start * np.sqrt(sizes_M[0] / np.asarray(sizes_M)), color=PALETTE["grey"], linestyle=":",
            label="1 / √M")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="configurations M", ylabel="error, root mean square (nats)")
    ax.legend()
    return ax


def evaluations(ax: Axes, counts: Mapping[str, Sequence[int]]) -> Axes:
    """How many gains are computed for each pick, bars side by side on a logarithmic axis."""
    width = 0.8 / len(counts)
    for index, (name, count_B) in enumerate(counts.items()):
        at = np.arange(1, len(count_B) + 1) + (index - (len(counts) - 1) / 2) * width
        hatch = ("", "//", "xx")[index % 3]
        bars = ax.bar(at, count_B, width, color=CLASS_COLOURS[index], hatch=hatch, edgecolor="white", label=name)
        ax.bar_label(bars, fontsize=11)
    ax.set(yscale="log", xlabel="pick", ylabel="gains computed", xticks=range(1, len(count_B) + 1))
    ax.legend(loc="upper left", ncols=len(counts), bbox_to_anchor=(0, 1.0))
    ax.set_ylim(top=12 * max(max(count_B) for count_B in counts.values()))
    return ax


def costs(ax: Axes, sizes_B: Sequence[int], values: Mapping[str, Sequence[float]], *, unit: str) -> Axes:
    """A cost against the size of the batch, on logarithmic axes. "bytes" are labelled in kB, MB, GB and so on."""
    looks = looks_of(values)
    for name, value_B in values.items():
        ax.plot(sizes_B, value_B, label=name, **looks[name].style)
    ax.set(xscale="log", yscale="log", xlabel="labels in the batch b", ylabel=unit)
    ax.set_xticks(sizes_B, [str(size) for size in sizes_B])
    ax.minorticks_off()
    if unit == "bytes":
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_bytes(value)))
    ax.legend()
    return ax


def in_bytes(count: float) -> str:
    """A number of bytes in words: "1.6 MB", "16 TB"; beyond a thousand exabytes as a power of ten."""
    for power, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB", "EB")):
        if count < 1000 ** (power + 1):
            return f"{count / 1000**power:.3g} {unit}"
    return f"$10^{{{round(math.log10(count))}}}$ B"
