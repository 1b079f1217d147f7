"""The scenes of a static page, packed: arrays and layers that several scenes share are kept once, all of it compressed."""

import base64
import gzip
import json
from typing import Any

import numpy as np

from bal_scenes.layers import Layer
from bal_scenes.scene import Scene


class SceneStore:
    """Arrays and layers, each kept once, however many scenes hold it."""

    def __init__(self) -> None:
        self.buffer = bytearray()  # all arrays, one after another
        self.places: list[tuple[str, int, int]] = []  # type, first byte and length of each array
        self._arrays: dict[tuple[str, bytes], int] = {}  # type and bytes of an array -> its number
        self._layers: dict[str, int] = {}  # a layer as JSON -> its number
        self._has_names = False

    def add(self, scene: Scene) -> Scene:
        """Keeps the layers of a scene; gives the scene with their numbers in their place."""
        panels = [
            panel | {"click_anywhere": False, "layers": [self._layer(layer) for layer in panel["layers"]]}
            for panel in scene["panels"]
        ]
        return scene | {"panels": panels}

    def as_text(self, **more: Any) -> str:
        """All that is kept, and `more`, as gzipped bytes in base64: length of the JSON, the JSON, the arrays.

        Raises ValueError where a number is not finite.
        """
        layers = [json.loads(layer) for layer in self._layers]
        described = _json({"arrays": self.places, "layers": layers, "named": self._has_names} | more).encode()
        described += b" " * (-len(described) % 4)  # float32 arrays must start at a multiple of 4
        whole = len(described).to_bytes(4, "little") + described + self.buffer
        return base64.b64encode(gzip.compress(whole, mtime=0)).decode()  # the same scenes, the same file

    def _layer(self, layer: Layer) -> int:
        kept = {key: self._array(value) for key, value in self._without_events(layer).items()}
        return self._layers.setdefault(_json(kept), len(self._layers))

    def _without_events(self, layer: Layer) -> Layer:
        """The layer without what only a running explorer answers: marks keep their ids for the sake of their names."""
        if layer["kind"] == "heat":
            return as_shades(layer)
        if layer.get("names") is None or layer.get("ids") is None:
            return layer | {"drag": False, "ids": None, "names": None}
        self._has_names = True
        return layer | {"drag": False}

    def _array(self, value: Any) -> Any:
        if isinstance(value, bytes):
            value = np.frombuffer(value, np.uint8)
        if not isinstance(value, np.ndarray):
            return value
        key = str(value.dtype), value.tobytes()
        if key not in self._arrays:
            self._arrays[key] = len(self.places)
            self.places.append((key[0], len(self.buffer), value.size))
            self.buffer += key[1] + b"\0" * (-len(key[1]) % 4)
        return {"array": self._arrays[key]}


def as_shades(layer: Layer) -> Layer:
    """A heat map as the numbers of its colours, a quarter of the bytes. The sums of drawHeat, hence the same pixels."""
    values, low, width = layer["values"].astype(float), layer["low"], layer["high"] - layer["low"]
    if np.isnan(values).any():  # transparent, which no colour is
        return layer
    shades = np.floor(255 * ((values - low) / width).clip(0, 1) + 0.5).astype(np.uint8)
    ticks = [(255 * (value - low) / width, words) for value, words in layer["bar_ticks"]]
    return layer | {"values": shades, "low": 0, "high": 255, "bar_ticks": ticks}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=lambda number: number.item())
