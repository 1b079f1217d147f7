"""Layers of a panel: pure functions from arrays to dictionaries that the canvas and Matplotlib draw alike.

Positions are in the units of the panel's axes; sizes, widths and offsets are in pixels. Every layer may carry `label`,
its words in the legend. Dimensions: N points or images, P points of a line, K lines, R C rows and columns of a grid
(row 0 at the bottom), H W pixels, B bars, S segments of a bar.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bal_scenes.ticks import with_minus
from bal_utils import plotting
from bal_utils.plotting import CLASS_MARKERS, PALETTE, Look

Layer = dict[str, Any]

SHAPES = {  # name -> Matplotlib's marker
    "circle": "o",
    "triangle": "^",
    "square": "s",
    "diamond": "D",
    "down": "v",
    "plus": "P",
    "star": "*",
    "cross": "x",
    "ring": "o",
}
CLASS_SHAPES = tuple(next(name for name, code in SHAPES.items() if code == marker) for marker in CLASS_MARKERS)
DASHES = ("solid", "dashed", "dotted")
DASH_OF = dict(zip(plotting.DASHES, ("solid", "dashed", "dashed", "dotted", "dashed", "dotted"), strict=True))
HATCHES = ("", "/", "\\", "x", ".")
COLOURS = tuple(PALETTE[name] for name in ("blue", "orange", "green", "vermillion", "purple", "sky"))


def colour_code(colour: str) -> str:
    """The hexadecimal code of a colour of the course's palette ("blue"), or the code itself ("#0072B2")."""
    code = PALETTE.get(colour, colour)
    if not (code.startswith("#") and len(code) == 7):
        raise ValueError(f"colour: expected one of {', '.join(PALETTE)} or a code such as '#0072B2', got {colour!r}")
    return code


def line_style(look: Look) -> dict[str, str]:
    """Keywords of `line` for a strategy or a posterior of `plotting.LOOKS`: its colour and dash."""
    return {"colour": look.colour, "dash": DASH_OF[look.dash]}


def mark_style(look: Look) -> dict[str, str]:
    """Keywords of `points` for a strategy or a posterior of `plotting.LOOKS`: its colour and its shape."""
    return {"colour": look.colour, "shape": next(name for name, marker in SHAPES.items() if marker == look.marker)}


def numbers(name: str, values: Any, dims: int, dtype: type = np.float32) -> np.ndarray:
    """A fresh contiguous array; raises ValueError where `values` does not have `dims` dimensions."""
    array = np.array(np.asarray(values), dtype=dtype, order="C")
    if array.ndim != dims:
        raise ValueError(f"{name}: expected {dims} dimension(s), got shape {array.shape}")
    return array


def one_of(name: str, value: str, known: Sequence[str]) -> str:
    """`value`, or ValueError where it is not among `known`."""
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def same_length(**arrays: Sequence | None) -> None:
    """Raises ValueError unless all the named sequences have one length; None is left out."""
    lengths = {name: len(values) for name, values in arrays.items() if values is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected one length, got {', '.join(f'{name} {n}' for name, n in lengths.items())}")


def line(
    x: Any,
    y: Any,
    *,
    colour: str = "blue",
    width: float = 2.0,
    dash: str = "solid",
    opacity: float = 1.0,
    halo: bool = False,
    label: str = "",
) -> Layer:
    """One line y_P or a bundle y_K_P over x_P (or x_K_P). NaN breaks a line; a white `halo` sets it off a map."""
    y_K_P = np.atleast_2d(np.asarray(y, dtype=np.float32))
    x_K_P = np.broadcast_to(np.asarray(x, dtype=np.float32), y_K_P.shape)
    gap_K_1 = np.full((len(y_K_P), 1), np.nan, dtype=np.float32)
    return {
        "kind": "line",
        "x": np.hstack([x_K_P, gap_K_1]).ravel(),
        "y": np.hstack([y_K_P, gap_K_1]).ravel(),
        "colour": colour_code(colour),
        "width": width,
        "dash": one_of("dash", dash, DASHES),
        "opacity": opacity,
        "halo": halo,
        "label": label,
    }


def band(
    x: Any,
    low: Any,
    high: Any,
    *,
    colour: str = "blue",
    dash: str = "solid",
    opacity: float = 0.25,
    label: str = "",
) -> Layer:
    """The area between low_P and high_P over x_P; its edges are thin lines with this dash."""
    x_P, low_P, high_P = numbers("x", x, 1), numbers("low", low, 1), numbers("high", high, 1)
    same_length(x=x_P, low=low_P, high=high_P)
    style = {"colour": colour_code(colour), "dash": one_of("dash", dash, DASHES), "opacity": opacity}
    return {"kind": "band", "x": x_P, "low": low_P, "high": high_P, "label": label, **style}


def points(
    x: Any,
    y: Any,
    *,
    shape: str = "circle",
    colour: str = "blue",
    size: float = 10.0,
    filled: bool = True,
    opacity: float = 1.0,
    ids: Sequence[int] | None = None,
    drag: bool = False,
    names: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    label: str = "",
) -> Layer:
    """Marks at (x_N, y_N), `size` pixels across.

    A hollow mark is white inside; a ring is open. Marks with `ids` can be clicked or, with `drag`, dragged: the event
    carries the id. `names` say to a screen reader what each mark is; `labels` are written beside the marks.
    """
    x_N, y_N = numbers("x", x, 1), numbers("y", y, 1)
    same_length(x=x_N, y=y_N, ids=ids, names=names, labels=labels)
    if drag and ids is None:
        raise ValueError("ids: expected one a point where drag is True, got None")
    return {
        "kind": "points",
        "x": x_N,
        "y": y_N,
        "shape": one_of("shape", shape, tuple(SHAPES)),
        "colour": colour_code(colour),
        "size": size,
        "filled": filled,
        "opacity": opacity,
        "ids": None if ids is None else [int(i) for i in ids],
        "drag": drag,
        "names": None if names is None else list(map(with_minus, names)),
        "labels": None if labels is None else list(map(with_minus, labels)),
        "offsets": None,  # of the labels: scene() knows the pixels
        "label": label,
    }


def rects(
    x0: Any,
    x1: Any,
    y0: Any,
    y1: Any,
    *,
    colour: str = "blue",
    hatch: str = "",
    opacity: float = 1.0,
    ids: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    label: str = "",
) -> Layer:
    """Rectangles from (x0_N, y0_N) to (x1_N, y1_N) of one colour and one hatch. Those with `ids` can be clicked."""
    corners = {"x0": x0, "x1": x1, "y0": y0, "y1": y1}
    corners = {name: numbers(name, values, 1) for name, values in corners.items()}
    same_length(**corners, ids=ids, names=names)
    return {
        "kind": "rects",
        **corners,
        "colour": colour_code(colour),
        "hatch": one_of("hatch", hatch, HATCHES),
        "opacity": opacity,
        "ids": None if ids is None else [int(i) for i in ids],
        "names": None if names is None else list(names),
        "label": label,
    }


def images(
    pixels_N_H_W: Any,
    *,
    x: Any,
    y: Any,
    width: float,
    height: float,
    opacity: Any = 1.0,
    ids: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
) -> Layer:
    """Grey images centred at (x_N, y_N), each `width` by `height` in axis units; 0 is white and 1 is ink.

    `opacity` is one number or one an image. Images with `ids` can be clicked.
    """
    pixels_N_H_W = numbers("pixels_N_H_W", pixels_N_H_W, 3)
    x_N, y_N = numbers("x", x, 1), numbers("y", y, 1)
    same_length(pixels_N_H_W=pixels_N_H_W, x=x_N, y=y_N, ids=ids, names=names)
    count, rows, columns = pixels_N_H_W.shape
    return {
        "kind": "images",
        "pixels": ((1 - pixels_N_H_W.clip(0, 1)) * 255).round().astype(np.uint8).ravel(),
        "rows": rows,
        "columns": columns,
        "x": x_N,
        "y": y_N,
        "width": width,
        "height": height,
        "opacity": np.broadcast_to(np.asarray(opacity, dtype=np.float32), (count,)).copy(),
        "ids": None if ids is None else [int(i) for i in ids],
        "names": None if names is None else list(names),
    }


def text(
    x: Any,
    y: Any,
    words: str | Sequence[str],
    *,
    colour: str = "black",
    size: float = 14.0,
    align: str = "center",
    bold: bool = False,
    offset: tuple[float, float] = (0, 0),
    halo: bool = True,
) -> Layer:
    """Words at (x, y), or one text a place; `offset` moves them right and up by pixels, `halo` sets them off a map."""
    x_N, y_N = numbers("x", np.atleast_1d(x), 1), numbers("y", np.atleast_1d(y), 1)
    words_N = [with_minus(one) for one in ([words] if isinstance(words, str) else words)]
    same_length(x=x_N, y=y_N, words=words_N)
    return {
        "kind": "text",
        "x": x_N,
        "y": y_N,
        "words": words_N,
        "colour": colour_code(colour),
        "size": max(size, 14.0),  # legible from the back of a lecture room
        "align": one_of("align", align, ("left", "center", "right")),
        "bold": bold,
        "offset": list(offset),
        "halo": halo,
    }
