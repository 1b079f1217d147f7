"""Layers made from a grid of values: heat maps and contour lines.

Row 0 of a grid is at the bottom of the panel; R C are its rows and columns. A value belongs to the middle of its cell.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps

from bal_scenes.layers import Layer, line, numbers
from bal_scenes.ticks import tick_labels
from bal_utils.plotting import HEAT_MAP, centres

Range = tuple[float, float]
FLAT = 1e-6  # values that differ by less are rounding errors


@lru_cache
def colour_table(name: str) -> bytes:
    """256 colours of a Matplotlib colour map as red, green, blue bytes."""
    return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()


def grid(x: Range, y: Range, columns: int, rows: int | None = None) -> np.ndarray:
    """Places [rows * columns, 2], row by row from the bottom, at which `heat` and `contour` expect their values."""
    x_R_C, y_R_C = np.meshgrid(centres(*x, columns), centres(*y, columns if rows is None else rows))
    return np.stack([x_R_C.ravel(), y_R_C.ravel()], axis=1).astype(np.float32)


def heat(
    values_R_C: Any,
    *,
    x: Range,
    y: Range,
    low: float | None = None,
    top: float | None = None,
    colours: str = HEAT_MAP,
    opacity: float = 1.0,
    smooth: bool = True,
    bar: str | None = None,
) -> Layer:
    """A heat map over the rectangle `x` by `y`. NaN is transparent.

    `low` and `top` are the values of the first and the last colour. By default a scale begins at zero, or at the least
    value below it, and ends at the largest; a `top` that is fixed lets brightness be compared between pictures.
    `bar` is the label of a colour bar beside the panel; None leaves the bar out. A flat map has no bar: its panel says
    that the value is the same everywhere.
    """
    values_R_C = numbers("values_R_C", values_R_C, 2)
    finite = values_R_C[np.isfinite(values_R_C)]
    least, largest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low = min(0.0, least) if low is None else float(low)
    top = largest if top is None else float(top)
    top = top if top - low > FLAT else low + 1  # a map of zeros takes the first colour
    return {
        "kind": "heat",
        "values": values_R_C.ravel(),
        "rows": values_R_C.shape[0],
        "columns": values_R_C.shape[1],
        "x": list(x),
        "y": list(y),
        "low": low,
        "high": top,
        "flat": finite.size > 0 and largest - least <= FLAT * max(1.0, abs(largest)),
        "colours": colours,
        "table": colour_table(colours),
        "opacity": opacity,
        "smooth": smooth,
        "bar": bar,
        "bar_ticks": [] if bar is None else list(tick_labels(low, top)),
    }


def contour(values_R_C: Any, levels: Sequence[float] | float, *, x: Range, y: Range, **style: Any) -> Layer:
    """The lines at which a grid of values (as for `heat`) takes one of the `levels`, with a halo. `style` as for `line`."""
    values_R_C = np.pad(numbers("values_R_C", values_R_C, 2, np.float64), 1, mode="edge")  # out to the panel's edges
    values_R_C = np.ma.masked_invalid(values_R_C)
    rows, columns = values_R_C.shape
    generator = contour_generator(
        np.r_[x[0], centres(*x, columns - 2), x[1]], np.r_[y[0], centres(*y, rows - 2), y[1]], values_R_C
    )
    pieces = [piece for level in np.atleast_1d(levels) for piece in generator.lines(float(level))]
    points_P_2 = np.concatenate(
        [part for piece in pieces for part in (piece, [[np.nan, np.nan]])] or [np.empty((0, 2))]
    )
    return line(points_P_2[:, 0], points_P_2[:, 1], **{"halo": True} | style)
