"""The key of a crowded panel, on a panel of its own."""

from collections.abc import Sequence

import numpy as np

from bal_scenes.scene import Layer, Panel, panel


def key_of(shown: Panel, box: Sequence[float], *, corner: str = "top left") -> Panel:
    """A panel that holds nothing but the legend of another one, so that no mark of that one is covered."""
    layers = [_sample(layer) for layer in shown["layers"] if layer.get("label")]
    return panel(*layers, box=box, x_ticks=(), y_ticks=(), legend=corner)


def _sample(layer: Layer) -> Layer:
    """The layer without anything to draw: what is left is its look and its label."""
    empty = {name: value[:0] for name, value in layer.items() if isinstance(value, np.ndarray)}
    bare = {name: None for name in ("ids", "names", "labels") if name in layer}
    return layer | empty | bare | {"drag": False}
