"""Layers made from other layers: points by class, stacked bars. Dimensions: N points, B bars, S segments of a bar."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bal_scenes.layers import (
    CLASS_SHAPES,
    COLOURS,
    HATCHES,
    Layer,
    numbers,
    points,
    rects,
    same_length,
    text,
)
from bal_utils.plotting import CLASS_COLOURS


def class_points(points_N_2: Any, classes_N: Any, *, ids: Sequence[int] | None = None, **style: Any) -> list[Layer]:
    """One layer of points a class: a class is a shape and a colour, the same in every picture of the course."""
    points_N_2, classes_N = numbers("points_N_2", points_N_2, 2), numbers("classes_N", classes_N, 1, int)
    same_length(points_N_2=points_N_2, classes_N=classes_N, ids=ids)
    ids_N = None if ids is None else np.asarray(ids)
    return [
        points(
            *points_N_2[classes_N == c].T,
            shape=CLASS_SHAPES[c % len(CLASS_SHAPES)],
            colour=CLASS_COLOURS[c % len(CLASS_COLOURS)],
            ids=None if ids_N is None else ids_N[classes_N == c],
            **{"label": f"class {c}"} | style,
        )
        for c in np.unique(classes_N).tolist()
    ]


def bars(
    values_B_S: Any,
    *,
    segments: Sequence[str] = ("",),
    colours: Sequence[str] | None = None,
    horizontal: bool = True,
    thickness: float = 0.6,
    totals: str | Sequence[str] = "",
) -> list[Layer]:
    """Stacked bars at 0, 1, … B-1; use `bar_axis` for the axis that names them.

    A segment is a colour and a hatch. `totals` is a format such as "{:.2f}" for the number at each bar's end, or one
    text a bar. Negative values are refused: a stack has no place for them.
    """
    values_B_S = numbers("values_B_S", values_B_S, 2)
    same_length(segments=segments, values_of_a_bar=values_B_S.T, colours=colours)
    if not (values_B_S >= 0).all():
        raise ValueError(f"values_B_S: expected numbers of at least 0, got {values_B_S[~(values_B_S >= 0)][0]}")
    ends_B_S = values_B_S.cumsum(axis=1)
    places_B, half = np.arange(len(values_B_S), dtype=np.float32), thickness / 2
    layers = []
    for s, name in enumerate(segments):
        along = (ends_B_S[:, s] - values_B_S[:, s], ends_B_S[:, s])
        across = (places_B - half, places_B + half)
        (x0, x1), (y0, y1) = (along, across) if horizontal else (across, along)
        colour = (colours or COLOURS)[s % len(colours or COLOURS)]
        layers.append(rects(x0, x1, y0, y1, colour=colour, hatch=HATCHES[s % len(HATCHES)], label=name))
    if len(totals):
        words = [totals.format(total) for total in ends_B_S[:, -1]] if isinstance(totals, str) else totals
        place = (ends_B_S[:, -1], places_B) if horizontal else (places_B, ends_B_S[:, -1])
        style = {"align": "left", "offset": (6, 0)} if horizontal else {"offset": (0, 12)}
        layers.append(text(*place, words, **style))
    return layers


def bar_axis(names: Sequence[str], *, horizontal: bool = True) -> dict[str, Any]:
    """Range and ticks of the axis that names the bars, to unpack into `panel`. Horizontal bars run from the top."""
    ends = (len(names) - 0.4, -0.6) if horizontal else (-0.6, len(names) - 0.4)
    axis = "y" if horizontal else "x"
    return {axis: ends, f"{axis}_ticks": list(enumerate(names))}


def shortened(name: str, longest: int) -> str:
    """A name of at most `longest` letters, for where there is little room."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
