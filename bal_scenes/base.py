"""What all explorers share: a state, a pure function from state to scene, controls, and what a click does.

The README of this folder has an explorer of thirty lines to copy, and says how costly computations are split into stages.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, wraps
from threading import RLock
from typing import Any, ClassVar

from bal_scenes.controls import HANDLERS, Button, Choice, Control, Event, IntSlider, Play, Preset, Slider, Toggle
from bal_scenes.scene import Scene
from bal_scenes.share import check_copyable, from_text, to_text
from bal_scenes.ticks import with_minus

__all__ = [
    "Button", "Choice", "Event", "Explorer", "IntSlider", "Play", "Preset", "Scene", "Slider", "Toggle", "stage",
]  # fmt: skip

stage = lru_cache(maxsize=64)
BUSY = "computing…"
MOST_KEPT = 128  # scenes of a played explorer, so that a replay computes nothing


def _one_at_a_time(method: Callable) -> Callable:
    """Makes a method wait for its turn: JupyterLab hands the messages of different widgets to different threads."""

    @wraps(method)
    def in_turn(self: "Explorer", *args: Any, **options: Any) -> Any:
        with self.lock:
            return method(self, *args, **options)

    return in_turn


class Explorer:
    """A picture that answers. Subclasses give `State`, `controls`, `compute` and any of the handlers
    `on_click`, `on_drag`, `on_hover`, `on_key`, each `(state, event) -> state`.

    A handler or an action that cannot do what is asked raises ValueError with a sentence for the learner. No exception
    leaves the explorer: it becomes a sentence in the status line, the picture stays, and `error` holds it.
    """

    State: ClassVar[type]  # frozen, keyword-only, a default for every field; fields of JSON types and tuples of them
    controls: ClassVar[tuple[Control, ...]] = ()
    keys: ClassVar[tuple[str, ...]] = ()  # those that `on_key` wants, as the browser names them
    slow_fields: ClassVar[frozenset[str]] = frozenset()  # a change of these shows "computing…" first
    beside: ClassVar[bool] = False  # controls beside the picture instead of above it
    presets: ClassVar[tuple[Preset, ...]] = ()  # chips above the picture
    play: ClassVar[Play | None] = None  # the field that is time
    hand: ClassVar[str] = ""  # what the hand can do, such as "drag ★"; found from the picture unless given

    def __init__(self, state: Any = None) -> None:
        self.lock = RLock()
        self._state = self._start = self.State() if state is None else self._checked(state)
        self._history: list[dict[str, Any]] = []
        self._dragging: dict[str, Any] | None = None  # the entry of the history that the present drag writes to
        self._view: Any = None
        self._kept: dict[Any, Scene] = {}  # by state, the oldest first
        self.scene: Scene | None = None
        self.status = ""
        self.error: Exception | None = None
        self.preset_states = [self._checked(self.State(**preset.changes)) for preset in self.presets]
        self._redraw()

    def compute(self, state: Any) -> Scene:
        """The scene of a state. Depends on nothing but the state and what `__init__` stored; changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no compute(state)")

    def check(self, state: Any) -> None:
        """Raises ValueError for a state that cannot be shown; the ranges of the controls are checked besides."""

    def moments(self, state: Any) -> Sequence[Any]:
        """The values that ▶ goes through. An explorer whose time has no fixed end overrides this."""
        if self.play is None:
            return ()
        if self.play.values:
            return self.play.values
        slider = next(control for control in self.controls if getattr(control, "field", None) == self.play.field)
        return range(slider.low, slider.high + 1, slider.step)

    def at_moment(self, state: Any, value: Any) -> Any:
        """The state at another moment. An explorer that keeps a record of its run overrides this."""
        return replace(state, **{self.play.field: value})

    @property
    def state(self) -> Any:
        """The present state. Assigning another one moves controls and picture; ValueError where it is out of range."""
        return self._state

    @state.setter
    @_one_at_a_time
    def state(self, state: Any) -> None:
        self._go(self._checked(state))

    @_one_at_a_time
    def set(self, **values: Any) -> None:
        """Changes some fields of the state; ValueError where a value is out of range."""
        self.state = replace(self._state, **values)

    @_one_at_a_time
    def move(self, field: str, value: Any) -> None:
        """Does what the control of this field does: as `set`, but a refusal becomes a sentence in the status line."""
        self._try(lambda state: replace(state, **{field: value}), remember=False)

    @property
    def plays_by_itself(self) -> bool:
        """Whether a browser shows this explorer, which goes through the moments without being asked."""
        return self.play is not None and self.play.auto and self._view is not None and self._view.plays

    def state_as_text(self) -> str:
        """The state as one line of text, for `restore`."""
        return to_text(type(self).__name__, self._state)

    def restore(self, text: str) -> None:
        """Goes to a state written by `state_as_text`. Raises ValueError, with a sentence, where the text is no such."""
        self.state = from_text(type(self).__name__, self.State, text)

    @_one_at_a_time
    def undo(self) -> None:
        """Takes back the last click, drag, key or button; sliders moved since then stay where they are."""
        if self._history:
            self._go(replace(self._state, **self._history.pop()))
        else:
            self._say("There is nothing to undo.")

    @_one_at_a_time
    def reset(self) -> None:
        """Back to the first state. Can be undone."""
        self._go(self._start, remember=True)

    @_one_at_a_time
    def press(self, action: str, *, slow: bool = False) -> None:
        """Does what the button of this action does."""
        if slow:
            self._say(BUSY, busy=True)
        self._try(getattr(self, action), remember=True)

    @_one_at_a_time
    def dispatch(self, event: Event) -> None:
        """Does what the explorer's handler says to an event; a drag is one step of `undo` from start to drop."""
        if event.kind == "preset":
            return self._try(lambda _: self.preset_states[event.point], remember=True)
        if event.kind == "moment":
            # a whole play is one step of `undo`, as a drag is
            return self._try(lambda state: self._moved_to(state, event.point), remember=True, drag=True, busy=False)
        handler = getattr(self, HANDLERS[event.kind], None)
        if handler is None:
            return
        drag = event.kind in ("drag", "drop")
        self._try(lambda state: handler(state, event), remember=event.kind != "hover", drag=drag)
        if event.kind == "drop":
            self._dragging = None

    def picture(self) -> Any:
        """The present picture as a Matplotlib figure."""
        from bal_scenes.static import picture

        if self.scene is None:
            raise ValueError(f"There is no picture: {self.status}")
        return picture(self.scene)

    @property
    @_one_at_a_time
    def widget(self) -> Any:
        """The ipywidgets box of controls, picture and status; built when first asked for."""
        if self._view is None:
            from bal_scenes.view import View

            self._view = View(self)
        return self._view.box

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget for a live notebook, and the present picture for wherever it cannot run, with their metadata.

        The plain text is the same in every run, so that stored outputs can be compared.
        """
        words = {"text/plain": f"{type(self).__name__} explorer (runs in a live notebook)"}
        live = self.widget._repr_mimebundle_() | words
        if self.scene is None:
            return live, {}
        from bal_scenes.static import png

        told = {"alt": self.scene["alt"], "width": self.scene["width"]}
        return live | {"image/png": png(self.picture())}, {"image/png": told}

    def _checked(self, state: Any) -> Any:
        if not isinstance(state, self.State):
            raise TypeError(f"state: expected {self.State.__name__}, got {type(state).__name__}")
        for name, value in vars(state).items():
            check_copyable(name, value)
        for control in self.controls:
            if not isinstance(control, Button):
                control.check(getattr(state, control.field))
        self.check(state)
        return state

    def _moved_to(self, state: Any, place: int) -> Any:
        return self.at_moment(state, self.moments(state)[place])

    def _try(self, act: Callable[[Any], Any], *, remember: bool, drag: bool = False, busy: bool = True) -> None:
        try:
            state = self._checked(act(self._state))
        except Exception as error:  # whatever an author's handler raises must not reach the notebook
            if self._view is not None:
                self._view.follow(self._state)  # a slider that was refused goes back
            self._refuse(error)
        else:
            self._go(state, remember=remember, drag=drag, busy=busy)

    def _go(self, state: Any, *, remember: bool = False, drag: bool = False, busy: bool = True) -> None:
        if not drag:
            self._dragging = None
        before = {name: old for name, old in vars(self._state).items() if getattr(state, name) != old}
        if not before:
            if remember:  # a click that changes nothing still clears what the status line complained of
                self._redraw()
            return
        if self._dragging is not None:
            self._dragging |= before | self._dragging  # the oldest values win
        elif remember:
            self._history.append(before)
            one_step = drag or self.plays_by_itself  # what plays by itself is one step with its cause
            self._dragging = before if one_step else None
        self._state = state
        if self._view is not None:
            self._view.follow(state)
        if busy and self.slow_fields & before.keys() and state not in self._kept:
            self._say(BUSY, busy=True)
        self._redraw(motion=self._is_next(before))

    def _is_next(self, before: dict[str, Any]) -> bool:
        """Whether time has gone on by one moment, of which `before` holds the value."""
        if self.play is None or self.play.field not in before:
            return False
        moments = list(self.moments(self._state))
        ends = before[self.play.field], getattr(self._state, self.play.field)
        return all(end in moments for end in ends) and moments.index(ends[1]) == moments.index(ends[0]) + 1

    def _scene_of(self, state: Any) -> Scene:
        """The scene of a state; where the explorer plays, it is kept."""
        if self.play is None:
            return self.compute(state)
        if state not in self._kept:
            self._kept[state] = self.compute(state)
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return self._kept[state]

    def _redraw(self, *, motion: bool = False) -> None:
        try:
            self.scene = self._scene_of(self._state)
        except Exception as error:  # the learner's notebook shows a sentence; `error` keeps the rest
            self._refuse(error)
            return
        self.error, self.status = None, self.scene["status"]
        if self._view is not None:
            self._view.show(self.scene, motion=motion)

    def _refuse(self, error: Exception) -> None:
        self.error = error
        told = str(error) if isinstance(error, ValueError) else f"This did not work ({type(error).__name__}: {error})."
        self._say(told, failed=True)

    def _say(self, status: str, *, busy: bool = False, failed: bool = False) -> None:
        self.status = status = with_minus(status)
        if self._view is not None:
            self._view.canvas.say(status, busy=busy, failed=failed)
