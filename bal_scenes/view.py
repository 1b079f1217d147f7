"""The widgets of an explorer: controls, canvas, status line, and the field through which scenes are copied."""

from functools import partial
from typing import TYPE_CHECKING, Any

from ipywidgets import Accordion, Box, Button, HBox, Text, VBox

from bal_scenes import controls
from bal_scenes.events import HANDLERS

if TYPE_CHECKING:
    from bal_scenes.base import Explorer

SHARE = "Copy or paste this scene"


def build_canvas(explorer: "Explorer") -> Any:
    """The live canvas, or a still picture where anywidget is not installed."""
    try:
        from bal_scenes.canvas import Canvas
    except ImportError:
        from bal_scenes.still import Still as Canvas
    listens = [kind for kind, handler in HANDLERS.items() if hasattr(explorer, handler)]
    return Canvas(explorer.dispatch, listens=listens, wanted_keys=list(explorer.keys))


class View:
    """Builds the widgets once and keeps them in step with the explorer's state."""

    def __init__(self, explorer: "Explorer") -> None:
        self.explorer = explorer
        self.canvas = build_canvas(explorer)
        self.fields: list[tuple[Any, Any]] = []  # a control and its widget
        self._following = False
        body = VBox([Box(self._controls()).add_class("bal-controls"), self.canvas]).add_class("bal-body")
        self.box = VBox([body, self._share()]).add_class("bal-explorer")
        if explorer.beside:
            self.box.add_class("bal-beside")
        self.follow(explorer.state)
        if explorer.scene is not None:
            self.canvas.show(explorer.scene)
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

    def _controls(self) -> list[Any]:
        explorer, widgets, buttons = self.explorer, [], []
        for control in explorer.controls:
            widget = control.build()
            if isinstance(control, controls.Button):
                widget.on_click(lambda _, control=control: explorer.press(control.action, slow=control.slow))
                buttons.append(widget)
            else:
                widget.observe(partial(self._moved, control), "value")
                self.fields.append((control, widget))
                widgets.append(widget)
        if buttons or any(hasattr(explorer, name) for name in ("on_click", "on_drag", "on_key")):
            buttons.append(_button("Undo", explorer.undo))
        return [*widgets, HBox([*buttons, _button("Reset", explorer.reset)])]

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


def _button(label: str, act: Any) -> Button:
    button = Button(description=label, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button
