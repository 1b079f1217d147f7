"""Scenes: pictures as plain data, which the browser canvas and Matplotlib draw alike.

A scene holds panels and a panel holds layers. All are dictionaries of numbers, strings and arrays; there is nothing of
Jupyter in them, so a scene can be compared, tested and drawn anywhere. This module also passes on the layers of
`layers`, `maps` and `charts`, so that an explorer imports all it draws with from here.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bal_scenes.charts import bar_axis, bars, class_points
from bal_scenes.labels import label_offsets
from bal_scenes.layers import Layer, band, images, line, line_style, mark_style, one_of, points, rects, text
from bal_scenes.maps import contour, grid, heat
from bal_scenes.ticks import Ticks, tick_labels, with_minus
from bal_utils.plotting import MINIMUM_ALT_WORDS

__all__ = [
    "Layer", "Panel", "Scene", "band", "bar_axis", "bars", "class_points", "contour", "grid", "heat", "images", "line",
    "line_style", "mark_style", "panel", "points", "rects", "scene", "text", "tick_labels",
]  # fmt: skip

Panel = dict[str, Any]
Scene = dict[str, Any]

CHARACTER = 8.2  # width in pixels of a figure or a small letter at 14 pixels
LEGENDS = ("", "top left", "top right", "bottom left", "bottom right")


RESERVED = 4  # letters of a number beside an axis or a bar: the plane stays where it is when numbers change width
SAME = "the same everywhere"


def _widest(ticks: Ticks, reserved: int = 0) -> float:
    return CHARACTER * max(reserved, *(len(words) for _, words in ticks), 0)


def _margins(
    title: str, x_label: str, y_label: str, x_ticks: Ticks, y_ticks: Ticks, bar: Layer | None, reserved: int
) -> list[float]:
    """Pixels left, above, right and below the plotted area that its words need."""
    left = 14 + (24 if y_label else 0) + (8 + _widest(y_ticks, reserved) if y_ticks else 0)
    above = 36 if title else 14
    last = CHARACTER * len(x_ticks[-1][1]) / 2 if x_ticks else 0
    right = 6 + max(10, last)
    if bar is not None:
        right = 46 + _widest(bar["bar_ticks"], RESERVED) + (22 if bar["bar"] else 0)
    below = 12 + (22 if x_ticks else 0) + (24 if x_label else 0)
    return [left, above, right, below]


def _range(name: str, ends: Sequence[float]) -> list[float]:
    low, high = (float(end) for end in ends)
    if not (math.isfinite(low) and math.isfinite(high) and low != high):
        raise ValueError(f"{name}: expected two different finite numbers, got {low:g} and {high:g}")
    return [low, high]


def _ticks(ends: Sequence[float], given: Sequence[tuple[float, str]] | None) -> list[tuple[float, str]]:
    return list(tick_labels(*ends)) if given is None else [(value, with_minus(words)) for value, words in given]


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
    if any(layer.get("flat") for layer in found):
        found.append(text(sum(x) / 2, y[0] + 0.94 * (y[1] - y[0]), SAME))
    reserved = RESERVED if y_ticks is None else 0
    x_ticks, y_ticks = _ticks(x, x_ticks), _ticks(y, y_ticks)
    bar = next((layer for layer in found if layer.get("bar") is not None), None)
    if legend is None:
        legend = "top right" if any(layer.get("label") for layer in found) else ""
    return {
        "box": [float(side) for side in box],
        "margins": _margins(title, x_label, y_label, x_ticks, y_ticks, bar, reserved),
        "x": x,
        "y": y,
        "title": with_minus(title),
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
    told = {"alt": with_minus(alt), "status": with_minus(status)}
    for one in panels:
        _place_labels(one, width, height)
    return {"width": width, "height": height, **told, "panels": list(panels)}


def area_of(panel: Panel, width: float, height: float) -> tuple[float, float, float, float]:
    """Left, top, width and height in pixels of the plotted area; as in layers.js, at the scene's own size."""
    (x, y, w, h), (left, above, right, below) = panel["box"], panel["margins"]
    x, y, w, h = x * width + left, y * height + above, w * width - left - right, h * height - above - below
    if panel["equal"]:
        across, up = abs(panel["x"][1] - panel["x"][0]), abs(panel["y"][1] - panel["y"][0])
        unit = min(w / across, h / up)
        x, y, w, h = x + (w - unit * across) / 2, y + (h - unit * up) / 2, unit * across, unit * up
    return x, y, w, h


def _place_labels(panel: Panel, width: float, height: float) -> None:
    left, top, w, h = area_of(panel, width, height)
    (x0, x1), (y0, y1) = panel["x"], panel["y"]
    for layer in panel["layers"]:
        if layer["kind"] == "points" and layer["labels"] is not None:
            across, up = (layer["x"] - x0) / (x1 - x0), (layer["y"] - y0) / (y1 - y0)
            marks_N_2 = np.stack([left + w * across, top + h * (1 - up)], axis=1)
            layer["offsets"] = label_offsets(marks_N_2, layer["labels"], layer["size"])
