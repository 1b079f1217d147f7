"""What a learner can do to a picture."""

from dataclasses import dataclass

HANDLERS = {"click": "on_click", "drag": "on_drag", "drop": "on_drag", "hover": "on_hover", "key": "on_key"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One action of the learner on the picture. Places are in the units of the panel's axes.

    `kind` is "click", "drag" (under way), "drop" (its end), "hover" or "key"; `panel` is None when the pointer has left.
    `point` is the id of the mark or image that was hit, or None; `key` is the key that was pressed.
    """

    kind: str
    panel: int | None = None
    x: float | None = None
    y: float | None = None
    point: int | None = None
    shift: bool = False
    key: str | None = None
