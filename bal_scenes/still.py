"""The picture where anywidget is not installed: the same scene drawn by Matplotlib, without clicks."""

import html
import io
from typing import Any

from ipywidgets import HTML, Image, VBox

from bal_scenes.scene import Scene
from bal_scenes.static import picture


class Still(VBox):
    """Stands in for `Canvas`: shows scenes and sentences, and never reports an event."""

    def __init__(self, on_event: Any, *, listens: list[str], wanted_keys: list[str]) -> None:
        self.image = Image(format="png", layout={"max_width": "100%"})
        self.status = HTML()
        super().__init__([self.image, self.status])

    def show(self, scene: Scene) -> None:
        """Draws a scene and its status."""
        png = io.BytesIO()
        picture(scene).savefig(png, format="png", dpi=100)
        self.image.value, self.image.tooltip = png.getvalue(), scene["alt"]
        self.say(scene["status"])

    def say(self, status: str, *, busy: bool = False, failed: bool = False) -> None:
        """Shows a sentence under the picture."""
        mark = "⏳ " * busy + "⚠ " * failed
        self.status.value = f'<div role="status" aria-live="polite">{mark}{html.escape(status)}</div>'

    def copy(self, words: str) -> None:
        """Does nothing: without a canvas there is no way to the clipboard, the field shows the words."""
