"""Arrays to axes: every function draws into `ax` and returns it; none shows, saves, seeds or trains.

The palette has the hues of Okabe and Ito, moved until each stands out from white by 3:1 (blue, vermillion, green, grey and
black by the 4.5:1 that words need) and until any two are far apart for all common kinds of colour blindness;
tests/test_accessibility.py holds the numbers. Classes also differ by marker, curves also by dash, so that no meaning rests
on colour alone.

A strategy, and a posterior, looks alike in the whole course: `LOOKS` holds colour, dash and marker of each, `style_of("bald")`
gives them to Matplotlib, `name_of("bald")` is what readers see. Relatives share a colour: the three of votes, the four of
Laplace.
"""

import io
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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
EXACT_COLOURS = 32  # the largest areas of a stored picture; without this a pale grey may turn pink
SCREEN_DPI = 96  # at which browsers show a length in inches
MARKS_A_CURVE = 10
LINE_END = "end of a line"  # the gid of the words there
WORD_COLOURS = {PALETTE["orange"]: "#A36700", PALETTE["purple"]: "#94658F", PALETTE["sky"]: "#0078C5"}


class Look(NamedTuple):
    """How a strategy or a posterior is named and drawn in every figure, explorer and slide."""

    title: str
    colour: str
    dash: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of `ax.plot` for a line without marks."""
        return {"color": self.colour, "linestyle": self.dash}

    @property
    def mark(self) -> dict[str, Any]:
        """Keywords of `ax.scatter`."""
        return {"color": self.colour, "marker": self.marker}

    @property
    def style(self) -> dict[str, Any]:
        """Keywords of `ax.plot` for a line with marks."""
        return self.line | self.mark


def _look(title: str, colour: str, dash: int, marker: str) -> Look:
    return Look(title, PALETTE[colour], DASHES[dash], marker)


STRATEGIES = {
    "random": _look("Random", "grey", 1, "o"),
    "least_confidence": _look("Least confidence", "orange", 4, "o"),
    "margin": _look("Margin", "orange", 2, "s"),
    "entropy": _look("Max entropy", "green", 3, "D"),
    "variation_ratio": _look("Variation ratio", "vermillion", 2, "v"),
    "mean_std": _look("Mean STD", "black", 5, "P"),
    "vote_entropy": _look("Vote entropy", "vermillion", 4, "D"),
    "mean_kl": _look("Mean KL to the consensus", "vermillion", 1, "P"),
    "gradient_length": _look("Expected gradient length", "black", 1, "v"),
    "badge": _look("BADGE", "black", 2, "D"),
    "error_reduction": _look("Expected error reduction", "sky", 1, "D"),
    "epig": _look("EPIG", "sky", 0, "s"),
    "core_set": _look("Core-set", "green", 1, "s"),
    "typiclust": _look("TypiClust", "green", 4, "^"),
    "probcover": _look("ProbCover", "green", 2, "o"),
    "bald": _look("BALD", "blue", 0, "^"),
    "batchbald": _look("BatchBALD", "purple", 4, "P"),
    "power_bald": _look("Power BALD", "sky", 5, "v"),
    "softmax_bald": _look("Softmax BALD", "sky", 3, "o"),
}
POSTERIORS = {
    "mle": _look("MLE", "vermillion", 3, "v"),
    "map": _look("MAP", "vermillion", 1, "o"),
    "exact": _look("Exact posterior", "blue", 0, "o"),
    "deterministic": _look("One network", "grey", 3, "o"),
    "temperature_scaling": _look("One network, temperature scaled", "grey", 5, "s"),
    "mc_dropout": _look("MC-dropout", "orange", 2, "s"),
    "mc_dropout_fresh": _look("MC-dropout, fresh masks", "orange", 1, "P"),
    "ensemble": _look("Deep ensemble", "sky", 1, "^"),
    "anchored_ensemble": _look("Anchored ensemble", "sky", 5, "v"),
    "mean_field": _look("Mean field", "purple", 3, "^"),
    "bayes_by_backprop": _look("Bayes by Backprop", "purple", 4, "P"),
    "laplace": _look("Laplace", "green", 3, "s"),
    "laplace_last": _look("Laplace, last layer", "green", 5, "D"),
    "laplace_all": _look("Laplace, all weights", "green", 4, "^"),
    "swag": _look("SWAG", "green", 2, "v"),
    "gaussian_process": _look("Gaussian process", "black", 1, "D"),
    "sghmc": _look("SGHMC", "black", 2, "o"),
    "nuts": _look("NUTS", "black", 0, "v"),
}
LOOKS = {
    **STRATEGIES,
    **POSTERIORS,
    "you": _look("you", "vermillion", 0, "*"),
    "truth": _look("truth", "black", 3, "*"),
}
COLOURS = {key: look.colour for key, look in LOOKS.items()}
OTHER_NAMES = {
    "maximum entropy": "entropy",
    "predictive entropy": "entropy",
    "variation ratios": "variation_ratio",
    "k-center": "core_set",
    "one network": "deterministic",
    "dropout": "mc_dropout",
    "bbb": "bayes_by_backprop",
    "gp": "gaussian_process",
    "hmc": "nuts",
    "best line": "map",
    "maximum likelihood": "mle",
    "most likely": "mle",
    "nearly maximum likelihood": "mle",
    "average over all lines": "exact",
}

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CLASS_COLOURS),
    "lines.linewidth": 2,
    "image.cmap": HEAT_MAP,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
}


def _plain(name: str) -> str:
    """A name without capitals, and with every kind of gap as one space: "MC-dropout" is "mc dropout"."""
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())


KEYS = {_plain(name): key for key, look in LOOKS.items() for name in (key, look.title)}
KEYS |= {_plain(name): key for name, key in OTHER_NAMES.items()}


def key_of(name: str) -> str | None:
    """The key in `LOOKS` of a strategy or posterior by any of its names, or None: "Max entropy" is "entropy".

    What follows a comma, bracket, colon, apostrophe, equality or minus is a remark: "BALD, b 10", "BatchBALD's five".
    """
    begun = re.split(r"\s*[,(:='’−]", name)[0]
    return next((KEYS[_plain(words)] for words in (name, begun) if _plain(words) in KEYS), None)


def look_of(name: str) -> Look:
    """Colour, dash, marker and title of a strategy or posterior. Raises ValueError, listing the known, for another name."""
    key = key_of(name)
    if key is None:
        raise ValueError(f"name: expected one of {', '.join(LOOKS)}, got {name!r}")
    return LOOKS[key]


def style_of(name: str) -> dict[str, Any]:
    """Keywords of `ax.plot` for a strategy or posterior: colour, dash and marker. ValueError as in `look_of`."""
    return look_of(name).style


def name_of(name: str) -> str:
    """What readers see: "Max entropy" for "entropy". ValueError as in `look_of`."""
    return look_of(name).title


def looks_of(names: Iterable[str], *, colours: Sequence[str] = CLASS_COLOURS) -> dict[str, Look]:
    """A look for each of several series of one picture, at most 36; no two have dash and marker in common.

    Strategies and posteriors have their own. Where one comes twice ("BALD, b 5" and "BALD, b 10"), it keeps its colour and
    takes another dash and marker. Other names take those of `colours` that are left, in order, and then all of them again.
    """
    names = list(names)
    keys = {name: key for name in names if (key := key_of(name)) is not None}
    found = {name: LOOKS[keys[name]] for name in {key: name for name, key in reversed(keys.items())}.values()}
    own = {look.colour for look in found.values()}
    free_colours = itertools.cycle([colour for colour in colours if colour not in own] or colours)
    taken = {(look.dash, look.marker) for look in found.values()}
    pairs = ((DASHES[(n + shift) % 6], CLASS_MARKERS[n]) for shift in range(6) for n in range(6))
    free_pairs = (pair for pair in pairs if pair not in taken)
    for name in names:
        if name not in found:
            colour = LOOKS[keys[name]].colour if name in keys else next(free_colours)
            found[name] = Look(name, colour, *next(free_pairs))
    return {name: found[name] for name in names}


def use_style() -> None:
    """Gives every later figure the course's look. Called once, at the top of a notebook or a script."""
    plt.rcParams.update(STYLE)


def show(figure: Figure, alt: str) -> None:
    """Displays a figure in a notebook with a text for those who cannot see it, then closes it.

    `alt` says what the figure shows, in a sentence. Raises ValueError where it is too short to do so. The picture has 200
    pixels an inch, and its metadata the width at which letters have their nominal size and the title, which slides repeat.
    """
    from IPython.display import display

    if len(alt.split()) < MINIMUM_ALT_WORDS:
        raise ValueError(f"alt: expected a sentence of at least {MINIMUM_ALT_WORDS} words, got {alt!r}")
    full, width = io.BytesIO(), round(SCREEN_DPI * figure.get_figwidth())
    figure.savefig(full, format="png")
    plt.close(figure)
    png = in_few_colours(Image.open(full))
    told = {"alt": alt, "width": width, "title": _title_of(figure)}
    display({"image/png": png, "text/plain": alt}, raw=True, metadata={"image/png": told})


def in_few_colours(picture: Image.Image, *, optimise: bool = True) -> bytes:
    """A picture as a PNG of 256 colours, which is three times smaller; small marks and large areas keep their colours.

    To optimise takes a fifth of a second and saves a tenth of the size.
    """
    png, full = io.BytesIO(), picture.convert("RGB")
    few = full.quantize(256 - EXACT_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette, places_H_W = few.getpalette()[: 3 * (256 - EXACT_COLOURS)], np.array(few)
    colours_H_W = np.asarray(full, dtype=np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    for _, (red, green, blue) in sorted(full.getcolors(full.width * full.height), reverse=True)[:EXACT_COLOURS]:
        places_H_W[colours_H_W == 65536 * red + 256 * green + blue] = len(palette) // 3
        palette += [red, green, blue]
    few = Image.fromarray(places_H_W)
    few.putpalette(palette)
    few.save(png, format="png", optimize=optimise)
    return png.getvalue()


def _title_of(figure: Figure) -> str:
    """The title of the whole figure, or of its only titled axes; "" where there is none, or one for each of several."""
    titles = [ax.get_title(place) for ax in figure.axes for place in ("left", "center", "right")]
    found = [figure.get_suptitle()] if figure.get_suptitle() else [title for title in titles if title]
    return found[0] if len(found) == 1 else ""


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
    ax: Axes,
    labels_R: Sequence[int],
    values_S_R: np.ndarray,
    *,
    name: str,
    look: Look | None = None,
    whole_range: bool = False,
) -> Axes:
    """The median over seeds S of a quantity after each round R, and the band between its quartiles, or its whole range.

    `name` stands in the legend, or at the line's end (`label_ends`). Without `look` the curve looks as the strategy of this
    name does; several curves of other names get theirs from `looks_of`. Seeds that have not finished a round are NaN there
    and are left out.
    """
    look = look or looks_of([name])[name]
    band = [0, 0.5, 1] if whole_range else [0.25, 0.5, 0.75]
    low_R, median_R, high_R = np.nanquantile(np.atleast_2d(values_S_R), band, axis=0)
    marks = {"marker": look.marker, "markevery": max(1, len(labels_R) // MARKS_A_CURVE), "markersize": 5}
    ax.plot(labels_R, median_R, label=name, **look.line, **marks)
    ax.fill_between(labels_R, low_R, high_R, **shade(look.colour, 0.15, look.dash))
    ax.set(xlabel="labelled images", ylabel="test accuracy")
    return ax


def for_words(colour: str) -> str:
    """A colour of the palette, or its darker sister where words in it could not be read on white (4.5:1)."""
    return WORD_COLOURS.get(colour, colour)


def label_ends(ax: Axes, *, size: float = 11) -> Axes:
    """Writes the label of each line at its right end, in its colour, instead of a legend.

    Labels that would touch move apart, and a thin line leads from the end to its label. Where the axes are not high enough
    for all of them, a legend is drawn. What changes the axes later moves the ends: then call it again.
    """
    for words in [words for words in ax.texts if words.get_gid() == LINE_END]:
        words.remove()
    drawn = [line for line in ax.lines if line.get_linestyle() != "None" and not line.get_label().startswith("_")]
    lines = [line for line in drawn if np.isfinite(np.asarray(line.get_xydata(), dtype=float)).all(axis=1).any()]
    ax.figure.draw_without_rendering()
    step = 1.25 * size * ax.figure.dpi / 72  # from one line of words to the next, in pixels
    if (len(lines) - 1) * step > ax.bbox.height:
        ax.legend(fontsize=size)
        return ax
    ends = [_last_point(line) for line in lines]
    heights = [ax.transData.transform(end)[1] for end in ends]
    order = np.argsort(heights, kind="stable")
    places = spread(np.array(heights)[order], step, ax.bbox.y0, ax.bbox.y1)
    shifts = {index: (place - heights[index]) * 72 / ax.figure.dpi for index, place in zip(order, places, strict=True)}
    led = max(map(abs, shifts.values()), default=0) > size / 2
    for index, shift in shifts.items():
        colour, words = lines[index].get_color(), lines[index].get_label()
        leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 3}
        ax.annotate(words, ends[index], xytext=(24 if led else 8, shift), textcoords="offset points", va="center",
                    color=for_words(colour), fontsize=size, arrowprops=leader if led else None,
                    annotation_clip=False, gid=LINE_END)  # fmt: skip
    return ax


def _last_point(line: Line2D) -> tuple[float, float]:
    """Where a line ends: the last point that is a number."""
    points_N_2 = np.asarray(line.get_xydata(), dtype=float)
    return tuple(points_N_2[np.isfinite(points_N_2).all(axis=1)][-1])


def spread(heights_N: np.ndarray, step: float, low: float, high: float) -> np.ndarray:
    """Rising heights, moved as little as possible (least squares) until neighbours are `step` apart, between two bounds."""
    shift_N = step * np.arange(len(heights_N))
    x_N = np.asarray(heights_N) - shift_N
    level_N = [
        max(min(x_N[j : k + 1].mean() for k in range(i, len(x_N))) for j in range(i + 1)) for i in range(len(x_N))
    ]
    return np.clip(level_N, low, max(low, high - step * (len(x_N) - 1))) + shift_N


def image_row(axes: Sequence[Axes], images_N_H_W: np.ndarray, titles: Sequence[str]) -> Sequence[Axes]:
    """One grey image an axes, dark ink on white, each under its title."""
    for ax, image_H_W, title in zip(axes, images_N_H_W, titles, strict=True):
        ax.imshow(np.asarray(image_H_W), cmap="gray_r", interpolation="nearest")
        ax.set_title(title, loc="center", fontsize=11)
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


def seeds_in_words(runs: Sequence[dict]) -> str:
    """How many runs, in words for a legend or a table: "4 seeds"."""
    return "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
