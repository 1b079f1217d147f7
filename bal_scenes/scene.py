"""Scenes: pictures as plain data, which the browser canvas and Matplotlib draw alike.

A scene holds panels and a panel holds layers. All are dictionaries of numbers, strings and arrays; there is nothing of
Jupyter in them, so a scene can be compared, tested and drawn anywhere. This module also passes on the layers of
`layers`, `maps` and `charts`, so that an explorer imports all it draws with from here.
"""

import math
from collections.abc import Sequence
from typing import Any

from bal_scenes.charts import bar_axis, bars, class_points
from bal_scenes.layers import Layer, band, images, line, line_style, mark_style, one_of, points, rects, text
from bal_scenes.maps import contour, grid, heat
from bal_scenes.ticks import Ticks, tick_labels
from bal_utils.plotting import MINIMUM_ALT_WORDS

__all__ = [
    "Layer", "Panel", "Scene", "band", "bar_axis", "bars", "class_points", "contour", "grid", "heat", "images", "line",
    "line_style", "mark_style", "panel", "points", "rects", "scene", "text", "tick_labels",
]  # fmt: skip

Panel = dict[str, Any]
Scene = dict[str, Any]

CHARACTER = 8.2  # width in pixels of a figure or a small letter at 14 pixels
LEGENDS = ("", "top left", "top right", "bottom left", "bottom right")


def _widest(ticks: Ticks) -> float:
    return CHARACTER * max((len(words) for _, words in ticks), default=0)


def _margins(title: str, x_label: str, y_label: str, x_ticks: Ticks, y_ticks: Ticks, bar: Layer | None) -> list[float]:
    """Pixels left, above, right and below the plotted area that its words need."""
    left = 14 + (24 if y_label else 0) + (8 + _widest(y_ticks) if y_ticks else 0)
    above = 36 if title else 14
    last = CHARACTER * len(x_ticks[-1][1]) / 2 if x_ticks else 0
    right = 6 + max(10, last)
    if bar is not None:
        right = 46 + _widest(bar["bar_ticks"]) + (22 if bar["bar"] else 0)
    below = 12 + (22 if x_ticks else 0) + (24 if x_label else 0)
    return [left, above, right, below]


def _range(name: str, ends: Sequence[float]) -> list[float]:
    low, high = (float(end) for end in ends)
    if not (math.isfinite(low) and math.isfinite(high) and low != high):
        raise ValueError(f"{name}: expected two different finite numbers, got {low:g} and {high:g}")
    return [low, high]


def _flat(layers: Sequence[Layer | Sequence]) -> list[Layer]:
    return [found for item in layers for found in ([item] if isinstance(item, dict) else _flat(item))]


def panel(
    *layers: Layer | Sequence[Layer],
    x: Sequence[float] = (0, 1),
    y: Sequence[float] = (0, 1),
    box: Sequence[float] = (0, 0, 1, 1),
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_ticks: Sequence[tuple[float, str]] | None = None,
    legend: str | None = None,
    equal: bool = False,
    click_anywhere: bool = False,
) -> Panel:
    """One pair of axes with its layers, drawn in the given order; a layer may also be a list of layers.

    `box` is left, top, width, height as fractions of the scene, words included. Ticks are chosen unless given; an empty
    list draws none, and without ticks and labels there is no frame. `legend` is a corner such as "top right" (the
    default where a layer has a label) or "". `equal` gives both axes one scale. With `click_anywhere` every place
    answers clicks and the arrow keys move a cross hair; otherwise they go from one mark with an id to the next.
    """
    found = _flat(layers)
    x, y = _range("x", x), _range("y", y)
    x_ticks = list(tick_labels(*x) if x_ticks is None else x_ticks)
    y_ticks = list(tick_labels(*y) if y_ticks is None else y_ticks)
    bar = next((layer for layer in found if layer.get("bar") is not None), None)
    if legend is None:
        legend = "top right" if any(layer.get("label") for layer in found) else ""
    return {
        "box": [float(side) for side in box],
        "margins": _margins(title, x_label, y_label, x_ticks, y_ticks, bar),
        "x": x,
        "y": y,
        "title": title,
        "x_label": x_label,
        "y_label": y_label,
        "x_ticks": x_ticks,
        "y_ticks": y_ticks,
        "legend": one_of("legend", legend, LEGENDS),
        "equal": equal,
        "click_anywhere": click_anywhere,
        "layers": found,
    }


def scene(*panels: Panel, alt: str, status: str = "", width: float = 860, height: float = 420) -> Scene:
    """The whole picture: panels, what it shows in a sentence (`alt`), and the sentence of the status line.

    `width` and `height` are pixels; the canvas keeps their ratio and fits the width of the notebook's cell.
    Raises ValueError where `alt` is too short to tell someone who cannot see the picture what it shows.
    """
    if len(alt.split()) < MINIMUM_ALT_WORDS:
        raise ValueError(f"alt: expected a sentence of at least {MINIMUM_ALT_WORDS} words, got {alt!r}")
    return {"width": width, "height": height, "alt": alt, "status": status, "panels": list(panels)}
