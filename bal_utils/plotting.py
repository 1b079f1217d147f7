"""Arrays to axes: every function draws into `ax` and returns it; none shows, saves, seeds or trains.

The palette has the hues of Okabe and Ito, moved until each stands out from white by 3:1 (blue, vermillion, green, grey and
black by the 4.5:1 that words need) and until any two are far apart for all common kinds of colour blindness;
tests/test_accessibility.py holds the numbers. Classes also differ by marker, curves also by dash, so that no meaning rests
on colour alone.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from PIL import Image

PALETTE = {
    "blue": "#0054AA",
    "orange": "#CE8300",
    "green": "#10824B",
    "vermillion": "#C33400",
    "purple": "#A873A2",
    "sky": "#0098FA",
    "black": "#222222",
    "grey": "#737373",
}
CLASS_COLOURS = tuple(PALETTE[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky"))
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P")
HEAT_MAP = "cividis"
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MINIMUM_ALT_WORDS = 6

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CLASS_COLOURS),
    "lines.linewidth": 2,
    "image.cmap": HEAT_MAP,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.dpi": 110,
}


def use_style() -> None:
    """Gives every later figure the course's look. Called once, at the top of a notebook or a script."""
    plt.rcParams.update(STYLE)


def show(figure: Figure, alt: str) -> None:
    """Displays a figure in a notebook with a text for those who cannot see it, then closes it.

    `alt` says what the figure shows, in a sentence. Raises ValueError where it is too short to do so.
    """
    from IPython.display import display

    if len(alt.split()) < MINIMUM_ALT_WORDS:
        raise ValueError(f"alt: expected a sentence of at least {MINIMUM_ALT_WORDS} words, got {alt!r}")
    full, png = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png")
    plt.close(figure)
    # 256 colours keep a notebook three times smaller; this method keeps the colours of small marks as they are
    few = Image.open(full).convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(png, format="png", optimize=True)
    display({"image/png": png.getvalue(), "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt}})


def shade(colour: str, opacity: float, dash: Any = "-") -> dict[str, Any]:
    """The style of an area that other things are seen through: too pale by itself, so it has an edge of full colour."""
    return {"facecolor": (colour, opacity), "edgecolor": colour, "linewidth": 0.8, "linestyle": dash}


def outlined(words: Iterable[Text], colour: str = "white") -> None:
    """Gives words on a map an edge, so that they can be read on any of its colours."""
    for word in words:
        word.set_path_effects([withStroke(linewidth=2.5, foreground=colour)])


def centres(low: float, high: float, count: int) -> np.ndarray:
    """The middles of `count` equal cells between `low` and `high`."""
    return low + (np.arange(count) + 0.5) * (high - low) / count


def learning_curve(
    ax: Axes, labels_R: Sequence[int], values_S_R: np.ndarray, *, name: str, index: int = 0, whole_range: bool = False
) -> Axes:
    """The median over seeds S of a quantity after each round R, and the band between its quartiles, or its whole range.

    `index` picks colour and dash. Seeds that have not finished a round are NaN there and are left out.
    """
    band = [0, 0.5, 1] if whole_range else [0.25, 0.5, 0.75]
    low_R, median_R, high_R = np.nanquantile(np.atleast_2d(values_S_R), band, axis=0)
    colour = CLASS_COLOURS[index % len(CLASS_COLOURS)]
    dash = DASHES[index % len(DASHES)]
    ax.plot(labels_R, median_R, color=colour, linestyle=dash, label=name)
    ax.fill_between(labels_R, low_R, high_R, **shade(colour, 0.15, dash))
    ax.set(xlabel="labelled images", ylabel="test accuracy")
    return ax


def image_row(axes: Sequence[Axes], images_N_H_W: np.ndarray, titles: Sequence[str]) -> Sequence[Axes]:
    """One grey image an axes, dark ink on white, each under its title."""
    for ax, image_H_W, title in zip(axes, images_N_H_W, titles, strict=True):
        ax.imshow(np.asarray(image_H_W), cmap="gray_r", interpolation="nearest")
        ax.set_title(title, loc="center", fontsize=10)
        ax.set_axis_off()
    return axes


def class_points(
    ax: Axes, points_N_2: np.ndarray, labels_N: np.ndarray, *, size: float = 36, filled: bool = True
) -> Axes:
    """Points in the plane; a class is a colour and a marker. Hollow markers stand for points without a label."""
    points_N_2, labels_N = np.asarray(points_N_2), np.asarray(labels_N)
    for label in np.unique(labels_N):
        colour = CLASS_COLOURS[label % len(CLASS_COLOURS)]
        ax.scatter(
            *points_N_2[labels_N == label].T,
            s=size,
            marker=CLASS_MARKERS[label % len(CLASS_MARKERS)],
            facecolor=colour if filled else "none",
            edgecolor="white" if filled else colour,
            label=f"class {label}",
        )
    return ax


def committee(
    axes_2_N: np.ndarray, images_N_H_W: np.ndarray, probs_N_K_C: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """N images, and under each what K posterior samples say: a row a sample, a column a class, darker where more probable."""
    image_row(axes_2_N[0], images_N_H_W, names)
    for ax, probs_K_C in zip(axes_2_N[1], np.asarray(probs_N_K_C), strict=True):
        ax.imshow(probs_K_C, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.set(xlabel="class", ylabel="network", xticks=range(probs_K_C.shape[1]), yticks=[])
    return axes_2_N


def count(runs: Sequence[dict]) -> str:
    """How many runs, in words for a legend or a table."""
    return "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
