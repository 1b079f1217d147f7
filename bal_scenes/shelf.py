"""Scenes packed for a static page: arrays and layers that several scenes share are kept once, all of it compressed."""

import base64
import gzip
import json
from typing import Any

import numpy as np

from bal_scenes.layers import Layer
from bal_scenes.scene import Scene


class Shelf:
    """Arrays and layers, each kept once, however many scenes hold it."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.arrays: dict[tuple[str, bytes], int] = {}
        self.places: list[tuple[str, int, int]] = []  # type, first byte and length of each array
        self.layers: dict[str, int] = {}
        self.named = False

    def scene(self, scene: Scene) -> Scene:
        """A scene whose panels hold the numbers of their layers."""
        panels = [
            panel | {"click_anywhere": False, "layers": [self._layer(layer) for layer in panel["layers"]]}
            for panel in scene["panels"]
        ]
        return scene | {"panels": panels}

    def folded(self, **more: Any) -> str:
        """All that is kept, and `more`, as gzipped bytes in base64: length of the JSON, the JSON, the arrays."""
        kept = {"arrays": self.places, "layers": [json.loads(layer) for layer in self.layers], "named": self.named}
        told = _json(kept | more).encode()
        told += b" " * (-len(told) % 4)  # float32 arrays must start at a multiple of 4
        whole = len(told).to_bytes(4, "little") + told + self.bytes
        return base64.b64encode(gzip.compress(whole, mtime=0)).decode()  # the same scenes, the same file

    def _layer(self, layer: Layer) -> int:
        kept = {key: self._array(value) for key, value in self._still(layer).items()}
        return self.layers.setdefault(_json(kept), len(self.layers))

    def _still(self, layer: Layer) -> Layer:
        """The layer without what only a running explorer answers: marks keep their ids for the sake of their names."""
        if layer["kind"] == "heat":
            return shaded(layer)
        named = layer.get("names") is not None and layer.get("ids") is not None
        self.named |= named
        return layer | {"drag": False} | ({} if named else {"ids": None, "names": None})

    def _array(self, value: Any) -> Any:
        if isinstance(value, bytes):
            value = np.frombuffer(value, np.uint8)
        if not isinstance(value, np.ndarray):
            return value
        key = str(value.dtype), value.tobytes()
        if key not in self.arrays:
            self.arrays[key] = len(self.places)
            self.places.append((key[0], len(self.bytes), value.size))
            self.bytes += key[1] + b"\0" * (-len(key[1]) % 4)
        return {"array": self.arrays[key]}


def shaded(layer: Layer) -> Layer:
    """A heat map as the numbers of its colours, a quarter of the bytes. The sums of drawHeat, hence the same pixels."""
    values, low, width = layer["values"].astype(float), layer["low"], layer["high"] - layer["low"]
    if np.isnan(values).any():  # transparent, which no colour is
        return layer
    shades = np.floor(255 * ((values - low) / width).clip(0, 1) + 0.5).astype(np.uint8)
    ticks = [(255 * (value - low) / width, words) for value, words in layer["bar_ticks"]]
    return layer | {"values": shades, "low": 0, "high": 255, "bar_ticks": ticks}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=lambda number: number.item())
