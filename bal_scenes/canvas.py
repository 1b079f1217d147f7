"""The shared picture in the browser: Python computes a scene, a canvas draws it and reports what the learner does."""

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets

from bal_scenes.browser import FOLDER, WIDGET, source
from bal_scenes.controls import Event
from bal_scenes.scene import Scene


def packed(scene: Any) -> Any:
    """A scene with its arrays as buffers, which travel as binary beside the message."""
    if isinstance(scene, np.ndarray):
        return memoryview(np.ascontiguousarray(scene)).cast("B") if scene.size else b""
    if isinstance(scene, dict):
        return {key: packed(value) for key, value in scene.items()}
    if isinstance(scene, (list, tuple)):
        return [packed(value) for value in scene]
    return scene


class Canvas(anywidget.AnyWidget):
    """One scene, its status line, and events. `on_event` is called with each `Event`."""

    _esm = source(*WIDGET)
    _css = FOLDER / "canvas.css"
    scene = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)
    listens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    wanted_keys = traitlets.List(traitlets.Unicode()).tag(sync=True)
    hand = traitlets.Unicode().tag(sync=True)
    presets = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    play = traitlets.Dict().tag(sync=True)
    moment = traitlets.Int(-1).tag(sync=True)
    motion = traitlets.Bool(False).tag(sync=True)

    def __init__(self, on_event: Callable[[Event], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_event = on_event
        self.on_msg(self._receive)

    def show(self, scene: Scene, *, motion: bool = False) -> None:
        """Draws a scene and its status, sent as one message; with `motion` the present picture fades into it."""
        with self.hold_sync():
            self.motion, self.scene = motion, packed(scene)
            self.say(scene["status"])

    def follow(self, presets: list[str], chosen: int, play: dict[str, Any], moment: int) -> None:
        """Marks the chosen chip and the present moment; see `view`."""
        with self.hold_sync():
            self.presets, self.chosen, self.play, self.moment = presets, chosen, play, moment

    def say(self, status: str, *, busy: bool = False, failed: bool = False) -> None:
        """Shows a sentence in the status line; a busy one dims the picture."""
        with self.hold_sync():
            self.status, self.busy, self.failed = status, busy, failed

    def copy(self, words: str) -> None:
        """Puts words on the browser's clipboard where it allows that."""
        self.send({"copy": words})

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """Passes a message on as an event. A paced one is answered, and only then does the browser send the next."""
        paced = message.pop("paced", False)
        try:
            self._on_event(Event(**message))
        finally:
            if paced:
                self.send({"answered": paced})
