"""The explorer without a browser: states, events, undo, errors, threads, and the example that authors copy."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bal_scenes import base
from bal_scenes.base import Button, Event, Explorer, IntSlider, Slider, stage
from bal_scenes.canvas import packed
from bal_scenes.scene import panel, points, scene

FITS = []


@dataclass(frozen=True, kw_only=True)
class State:
    width: float = 1.0
    count: int = 0
    star: tuple[float, float] = (0.0, 0.0)
    seen: int | None = None


@stage
def fit(width):
    FITS.append(width)
    return 2 * width


class Small(Explorer):
    State = State
    controls = (
        Slider("width", label="Width", low=0.0, high=5.0),
        IntSlider("count", label="Count", low=0, high=1000),
        Button("refuse", label="Refuse"),
    )

    def compute(self, state):
        if state.width == 3.0:
            raise RuntimeError("no picture here")
        star = points([state.star[0]], [state.star[1]], ids=[1], drag=True)
        said = f"{fit(state.width):g} wide, {state.count} clicks"
        return scene(panel(star), alt="a star that can be dragged about", status=said)

    def on_click(self, state, event):
        time.sleep(0.0005)  # long enough for another thread to come in between
        return replace(state, count=state.count + 1)

    def on_drag(self, state, event):
        return replace(state, star=(event.x, event.y))

    def on_hover(self, state, event):
        return replace(state, seen=event.point)

    def refuse(self, state):
        raise ValueError("Choose two more.")

    def forget(self, state):
        return None


def drag(explorer, *places):
    for place in places:
        explorer.dispatch(Event(kind="drag", x=place, y=place, point=1))
    explorer.dispatch(Event(kind="drop", x=places[-1], y=places[-1], point=1))


def test_the_example_in_the_documentation_runs():
    readme = Path(base.__file__).with_name("README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    assert 20 <= len([line for line in code.splitlines() if line.strip()]) <= 30
    names = {}
    exec(code, names)
    hill = names["Hill"]()
    assert hill.error is None
    hill.dispatch(Event(kind="click", panel=0, x=1.234, y=-0.5))
    hill.move("width", 0.5)
    assert hill.state == names["HillState"](width=0.5, top=(1.23, -0.5))
    assert hill.status == "The hill is 0.5 wide."
    assert hill.error is None


def test_the_same_state_gives_the_same_scene_whatever_came_before():
    explorer, other = Small(), Small(State(width=2.0, count=1))
    before = packed(explorer.compute(State(count=5)))
    explorer.set(width=2.0)
    explorer.dispatch(Event(kind="click"))
    assert explorer.state == other.state
    assert packed(explorer.scene) == packed(other.scene)
    assert packed(explorer.compute(State(count=5))) == before


def test_only_the_stages_that_a_field_touches_are_computed_again():
    explorer = Small()
    explorer.set(width=1.25)
    count = len(FITS)
    explorer.dispatch(Event(kind="click"))
    explorer.set(count=7)
    assert len(FITS) == count


def test_undo_takes_back_clicks_and_leaves_sliders():
    explorer = Small()
    explorer.dispatch(Event(kind="click"))
    explorer.dispatch(Event(kind="click"))
    explorer.move("width", 2.0)
    explorer.undo()
    assert explorer.state == State(width=2.0, count=1)
    explorer.undo()
    assert explorer.state == State(width=2.0)
    explorer.undo()
    assert explorer.state == State(width=2.0)
    assert explorer.status == "There is nothing to undo."


def test_a_drag_is_one_step_and_does_not_swallow_the_step_before():
    explorer = Small()
    explorer.dispatch(Event(kind="click"))
    explorer.reset()
    drag(explorer, 1.0, 2.0, 3.0)
    drag(explorer, 4.0)
    explorer.undo()
    assert explorer.state.star == (3.0, 3.0)
    explorer.undo()
    assert explorer.state == State()
    explorer.undo()
    assert explorer.state == State(count=1)


def test_a_drag_that_begins_without_moving_is_still_one_step():
    explorer = Small()
    explorer.dispatch(Event(kind="click"))
    drag(explorer, 0.0, 1.0, 2.0)
    explorer.undo()
    assert explorer.state == State(count=1)


def test_hovering_is_not_undone():
    explorer = Small()
    explorer.dispatch(Event(kind="hover", point=4))
    explorer.undo()
    assert explorer.state.seen == 4


def test_a_failed_picture_becomes_a_sentence_and_the_old_one_stays():
    explorer = Small()
    before = explorer.scene
    explorer.move("width", 3.0)
    assert explorer.status == "This did not work (RuntimeError: no picture here)."
    assert isinstance(explorer.error, RuntimeError)
    assert explorer.scene is before
    explorer.move("width", 2.0)
    assert explorer.error is None


def test_refusals_are_the_handlers_own_sentence():
    explorer = Small()
    explorer.press("refuse")
    assert explorer.status == "Choose two more."
    explorer.press("forget")
    assert "expected State, got NoneType" in explorer.status
    explorer.reset()
    assert explorer.status == explorer.scene["status"]


def test_an_explorer_that_fails_at_once_still_exists():
    explorer = Small(State(width=3.0))
    assert explorer.scene is None
    with pytest.raises(ValueError, match="no picture here"):
        explorer.picture()
    explorer.set(width=1.0)
    assert explorer.scene is not None


def test_states_are_checked_where_they_are_assigned():
    explorer = Small()
    with pytest.raises(ValueError, match="width: expected a number from 0 to 5, got 9"):
        explorer.state = State(width=9.0)
    with pytest.raises(TypeError, match="expected State, got dict"):
        explorer.state = {"width": 1.0}
    explorer.move("width", 9.0)
    assert "expected a number from 0 to 5" in explorer.status
    assert explorer.state == State()


def test_a_state_travels_as_text():
    explorer, other = Small(), Small()
    explorer.set(width=2.5, star=(1.0, -1.0))
    other.restore(explorer.state_as_text())
    assert other.state == explorer.state
    with pytest.raises(ValueError, match="expected a number from 0 to 5"):
        other.restore('{"width": 50.0}')
    with pytest.raises(ValueError, match="not a copied scene"):
        other.restore("hello")


def test_events_from_many_threads_are_taken_one_by_one():
    explorer = Small()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: explorer.dispatch(Event(kind="click")), range(80)))
    assert explorer.state.count == 80


def test_events_without_a_handler_are_ignored():
    explorer = Small()
    explorer.dispatch(Event(kind="key", key="7"))
    assert explorer.state == State() and explorer.error is None


@pytest.mark.parametrize("place", [float("inf"), float("nan")])
def test_no_state_holds_a_number_that_cannot_be_copied(place):
    small = Small()
    with pytest.raises(ValueError, match="star"):
        small.set(star=(place, 0.0))
    small.dispatch(Event(kind="drop", x=place, y=0.0))
    assert "star" in small.status and small.state == State() and small.state_as_text()
