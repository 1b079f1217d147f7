"""The widgets of an explorer: controls, picture, status line, and the field through which scenes are copied.

This module knows an explorer by what it can be asked to do (`move`, `press`, `dispatch`, `undo`, `reset`, `restore`); it
imports nothing of `base`, which builds a `View` when an explorer is first shown.
"""

import html
import io
from functools import partial
from typing import Any

from ipywidgets import HTML, Accordion, Box, Button, HBox, Image, Text, VBox

from bal_scenes import controls
from bal_scenes.controls import HANDLERS
from bal_scenes.scene import Scene
from bal_scenes.static import picture
from bal_scenes.ticks import with_minus

SHARE, MORE = "Copy or paste this scene", "More"
CHANGERS = ("on_click", "on_drag", "on_key")


class View:
    """Builds an explorer's widgets once and keeps them in step with its state."""

    def __init__(self, explorer: Any) -> None:
        self.explorer = explorer
        self.canvas = _canvas_of(explorer)
        self.plays = not isinstance(self.canvas, StillPicture)
        self.fields: list[tuple[Any, Any]] = []  # a control and its widget
        self._following = False
        body = VBox([VBox(self._controls()).add_class("bal-all-controls"), self.canvas]).add_class("bal-body")
        self.box = VBox([body, self._share()]).add_class("bal-explorer")
        if explorer.beside:
            self.box.add_class("bal-beside")
        self.follow(explorer.state)
        if explorer.scene is not None:
            self.show(explorer.scene)
        if explorer.error is not None:
            self.canvas.say(explorer.status, failed=True)

    def follow(self, state: Any) -> None:
        """Moves the controls to a state."""
        self._following = True
        try:
            for control, widget in self.fields:
                value = getattr(state, control.field)
                if control.read(widget.value) != value:  # a slider under the learner's hand is left alone
                    widget.value = value
        finally:
            self._following = False

    def show(self, scene: Scene, *, motion: bool = False) -> None:
        """Shows a scene, and then which chip and which moment it is: the browser asks for the next when it knows."""
        self.canvas.show(scene, motion=motion)
        self.canvas.follow(*_staging(self.explorer, self.explorer.state))

    def _controls(self) -> list[Any]:
        """The few controls, buttons that stand out first, and under them those that "More" opens."""
        explorer, first, few, buttons, more = self.explorer, [], [], [], []
        for control in explorer.controls:
            if explorer.play is not None and getattr(control, "field", None) == explorer.play.field:
                continue  # the scrubber under the picture moves it
            widget = control.build()
            if isinstance(control, controls.Button):
                widget.on_click(lambda _, control=control: explorer.press(control.action, slow=control.slow))
                (more if control.more else first if control.primary else buttons).append(widget)
            else:
                widget.observe(partial(self._moved, control), "value")
                self.fields.append((control, widget))
                (more if control.more else few).append(widget)
        if first or buttons or explorer.presets or any(hasattr(explorer, name) for name in CHANGERS):
            buttons.append(_button("Undo", explorer.undo))
        few = [*first, *few, HBox([*buttons, _button("Reset", explorer.reset)])]
        rows = [Box(few).add_class("bal-controls")]
        if more:
            rows.append(Accordion([Box(more).add_class("bal-controls")], titles=(MORE,), selected_index=None))
        return rows

    def _moved(self, control: Any, change: dict[str, Any]) -> None:
        with self.explorer.lock:  # else a move made while another thread sets the controls would be lost
            if not self._following:
                self.explorer.move(control.field, control.read(change["new"]))

    def _share(self) -> Accordion:
        self.field = Text(description="Scene", placeholder="a copied scene, one line of text", layout={"width": "auto"})
        row = HBox([_button("Copy scene", self._copy), _button("Paste scene", self._paste)])
        return Accordion([VBox([self.field, row])], titles=(SHARE,), selected_index=None)

    def _copy(self) -> None:
        self.field.value = self.explorer.state_as_text()
        self.canvas.copy(self.field.value)
        self.canvas.say("The scene is in the field and, where the browser allows, on the clipboard.")

    def _paste(self) -> None:
        try:
            self.explorer.restore(self.field.value)
        except ValueError as error:
            self.canvas.say(str(error), failed=True)


def _staging(explorer: Any, state: Any) -> tuple[list[str], int, dict[str, Any], int]:
    """What the canvas shows around its picture: the chips, the chosen one, the moments of ▶, the present one; -1 is none."""
    questions, chosen = [preset.question for preset in explorer.presets], -1
    if state in explorer.preset_states:
        chosen = explorer.preset_states.index(state)
    moments = list(explorer.moments(state))
    if not moments:
        return questions, chosen, {}, -1
    words = [with_minus(str(value)) for value in moments]
    play = {
        "label": explorer.play.label,
        "seconds": explorer.play.seconds,
        "auto": explorer.play.auto,
        "words": words,
    }
    value = getattr(state, explorer.play.field)
    return questions, chosen, play, moments.index(value) if value in moments else -1


class StillPicture(VBox):
    """Stands in for `Canvas` where anywidget is not installed: the same scene drawn by Matplotlib, with chips, without play."""

    def __init__(self, explorer: Any) -> None:
        self.image = Image(format="png", layout={"max_width": "100%"})
        self.status = HTML()
        chips = [
            _button(preset.question, partial(explorer.dispatch, controls.Event(kind="preset", point=i)))
            for i, preset in enumerate(explorer.presets)
        ]
        super().__init__([HBox(chips), self.image, self.status])

    def follow(self, *_: Any) -> None:
        """Does nothing: chips and moments are marked in a browser only."""

    def show(self, scene: Scene, *, motion: bool = False) -> None:
        """Draws a scene and its status, without motion."""
        png = io.BytesIO()
        picture(scene).savefig(png, format="png", dpi=100)
        self.image.value, self.image.tooltip = png.getvalue(), scene["alt"]
        self.say(scene["status"])

    def say(self, status: str, *, busy: bool = False, failed: bool = False) -> None:
        """Shows a sentence under the picture."""
        mark = "⚠ " if failed else "… " if busy else ""
        self.status.value = f'<div role="status" aria-live="polite">{mark}{html.escape(status)}</div>'

    def copy(self, words: str) -> None:
        """Does nothing: without a canvas there is no way to the clipboard, the field shows the words."""


def _canvas_of(explorer: Any) -> Any:
    try:
        from bal_scenes.canvas import Canvas
    except ImportError:
        return StillPicture(explorer)
    listens = [kind for kind, handler in HANDLERS.items() if hasattr(explorer, handler)]
    return Canvas(explorer.dispatch, listens=listens, wanted_keys=list(explorer.keys), hand=explorer.hand)


def _button(label: str, act: Any) -> Button:
    button = Button(description=label, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button
