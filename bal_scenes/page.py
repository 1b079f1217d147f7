"""An explorer as one HTML file that works without Python: the scenes of chosen states, computed beforehand.

    write_page(ThreeKinds(), "three_kinds.html", fields={"place": [0, 4, 7], "count": [5, 40]}, title="Three kinds of doubt")

or, from a shell,

    python -m bal_scenes.page bal_course.explorers.three_kinds:ThreeKinds --field place=0,4,7 --out page.html

The page needs no network and opens from a disk as well as from a web site. Its address may end in `#` and a copied scene.
"""

import argparse
import base64
import hashlib
import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from itertools import product
from pathlib import Path
from string import Template
from typing import Any, get_type_hints

import numpy as np
from tqdm import tqdm

from bal_scenes.base import Button, Choice, Control, Explorer, Toggle
from bal_scenes.browser import WIDGET, source
from bal_scenes.scene import Scene
from bal_scenes.share import typed
from bal_scenes.store import SceneStore
from bal_scenes.ticks import with_minus

MOST_SCENES = 2000  # more would make a page that nobody waits for
SCENES_WITH_A_BAR = 20  # from so many on, progress is shown
Fields = dict[str, list[Any]]


def write_page(explorer: Explorer, path: str | Path, *, fields: Mapping[str, Sequence], title: str) -> Path:
    """Writes the scenes of every combination of the given field values as one HTML page; gives its path.

    Other fields are as in the explorer's state, which is also the page's first scene as far as `fields` hold it. A field
    with one value gets no control; that of `play` gets ▶. The scenes of the explorer's presets are on the page too.
    Raises ValueError, with a sentence, for a field without a control, a value that its control refuses, more than 2,000
    combinations, a state of which there is no scene, or a folder that does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():  # said before the scenes are computed, not after
        raise ValueError(f"path: there is no folder {path.parent}")
    chosen = _checked(explorer, fields)
    store = SceneStore()
    scenes = [store.add(scene) for scene in _computed(explorer, chosen)]
    presets = [_preset(explorer, chosen, number, store) for number in range(len(explorer.presets))]
    first, script = scenes[0], source(*WIDGET, "page.js")
    # the page's policy makes the browser refuse whatever is not in the file, and every script but the one of this sum
    page = Template(source("page.html")).substitute(
        title=html.escape(title),
        style=source("canvas.css", "page.css"),
        ratio=f"{first['width'] / first['height']:.3f}",
        count=f"{len(scenes):,} stored scenes" if len(scenes) > 1 else "One stored scene",
        scenes=store.as_text(scenes=scenes, presets=presets, **_described(explorer, chosen)),
        script=script,
        sum=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _checked(explorer: Explorer, fields: Mapping[str, Sequence]) -> Fields:
    """The values of each field as their control wants them; slow fields first, so that they change least often."""
    kind, hints = type(explorer).__name__, get_type_hints(explorer.State)
    controls = {control.field: control for control in _field_controls(explorer)}
    chosen: Fields = {}
    for name in sorted(fields, key=lambda name: name not in explorer.slow_fields):
        if name not in controls:
            raise ValueError(f"fields: {kind} has no control for {name!r}; it has controls for {', '.join(controls)}")
        chosen[name] = _values(controls[name], fields[name], hints[name])
    count = math.prod(map(len, chosen.values()))
    if count > MOST_SCENES:
        sizes = " × ".join(f"{name} {len(values)}" for name, values in chosen.items())
        raise ValueError(f"fields: expected at most {MOST_SCENES:,} combinations, got {count:,} ({sizes})")
    return chosen


def _values(control: Control, given: Sequence, hint: Any) -> list[Any]:
    """The different values of one field: in a list's own order, else from small to large."""
    given = given.tolist() if isinstance(given, np.ndarray) else given
    values = list(dict.fromkeys(typed(control.field, value, hint) for value in given))
    if not values:
        raise ValueError(f"fields: expected at least one value of {control.field}, got none")
    for value in values:
        control.check(value)
    return values if isinstance(control, Choice) else sorted(values)


def _field_controls(explorer: Explorer) -> list[Control]:
    return [control for control in explorer.controls if not isinstance(control, Button)]


def _computed(explorer: Explorer, chosen: Fields) -> Iterator[Scene]:
    combinations = list(product(*chosen.values()))
    for values in tqdm(combinations, desc="scenes", unit="scene", disable=len(combinations) < SCENES_WITH_A_BAR):
        yield _scene(explorer, explorer.state, dict(zip(chosen, values, strict=True)))


def _scene(explorer: Explorer, state: Any, named: dict[str, Any]) -> Scene:
    """The scene of a state in which the named fields have these values."""
    state = replace(state, **named)
    try:
        explorer.check(state)
        return explorer.compute(state)
    except ValueError as error:
        words = ", ".join(f"{name} {value!r}" for name, value in named.items())
        raise ValueError(f"fields: there is no scene with {words}: {error}") from error


def _time_of(explorer: Explorer, chosen: Fields) -> str | None:
    """The field that ▶ moves on this page."""
    field = explorer.play.field if explorer.play is not None else None
    return field if len(chosen.get(field, ())) > 1 else None


def _preset(explorer: Explorer, chosen: Fields, number: int, store: SceneStore) -> dict[str, Any]:
    """A chip of the page: its question, its state, and its scene at every stored moment."""
    state, time = explorer.preset_states[number], _time_of(explorer, chosen)
    described = {"question": explorer.presets[number].question, "state": asdict(state), "moment": 0}
    if time is None:
        return described | {"scenes": [store.add(_scene(explorer, state, {}))]}
    moments, now = chosen[time], getattr(state, time)
    scenes = [store.add(_scene(explorer, state, {time: moment})) for moment in moments]
    return described | {"moment": moments.index(now) if now in moments else 0, "scenes": scenes}


def _described(explorer: Explorer, chosen: Fields) -> dict[str, Any]:
    """What the page knows besides its scenes: the first state, and the controls with the place of each value."""
    state = asdict(explorer.state)
    first = {name: values.index(state[name]) if state[name] in values else 0 for name, values in chosen.items()}
    state |= {name: values[first[name]] for name, values in chosen.items()}

    # scenes stand in the order of `product`: the last field changes from each to the next
    strides, stride = {}, 1
    for name in reversed(chosen):
        strides[name] = stride
        stride *= len(chosen[name])

    time = _time_of(explorer, chosen)
    shown = [control for control in _field_controls(explorer) if len(chosen.get(control.field, ())) > 1]
    return {
        "kind": type(explorer).__name__,
        "state": state,
        "first": [first[control.field] for control in shown],
        "controls": [
            _native(control, chosen[control.field], time) | {"stride": strides[control.field]} for control in shown
        ],
    } | _time(explorer, chosen)


def _time(explorer: Explorer, chosen: Fields) -> dict[str, Any]:
    """The field that is time, and what its bar says."""
    field = _time_of(explorer, chosen)
    if field is None:
        return {"time": None, "play": {}}
    words = [with_minus(str(value)) for value in chosen[field]]
    return {"time": field, "play": {"label": explorer.play.label, "seconds": explorer.play.seconds, "words": words}}


def _native(control: Control, values: list[Any], time: str | None) -> dict[str, Any]:
    """A control for page.js: its type, and the words of each value as the notebook's control shows them."""
    described = {"field": control.field, "label": control.label, "values": values, "more": control.more}
    if control.field == time:
        return described | {"type": "time", "words": []}
    if isinstance(control, Toggle):
        return described | {"type": "checkbox", "words": []}
    if isinstance(control, Choice):
        words = {value: word for word, value in control.options.items()} if isinstance(control.options, Mapping) else {}
        return described | {"type": "select", "words": [str(words.get(value, value)) for value in values]}
    spec = control.build().readout_format
    return described | {"type": "range", "words": [with_minus(_number(value, spec)) for value in values]}


def _number(value: float, spec: str) -> str:
    """A number as the slider writes it, or with as many digits as it has where the slider would round it."""
    word = format(value, spec)
    return word if spec.endswith("%") or math.isclose(float(word), value) else f"{value:.10g}"


def _explorer(place: str) -> Explorer:
    """A new explorer of the class at `MODULE:CLASS`."""
    module, _, name = place.partition(":")
    if not name:
        raise ValueError(f"explorer: expected MODULE:CLASS, got {place!r}")
    kind = getattr(import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Explorer)):
        raise ValueError(f"explorer: there is no explorer {name} in {module}")
    return kind()


def _read_fields(explorer: Explorer, texts: Sequence[str]) -> Fields:
    """Names and values of texts such as `place=0,4,7`, or `word=["a, b", "c"]` where a value holds a comma."""
    fields: Fields = {}
    hints = get_type_hints(explorer.State)
    for text in texts:
        name, equals, listed = text.partition("=")
        if not equals:
            raise ValueError(f"--field: expected NAME=VALUE,VALUE,…, got {text!r}")
        if name in fields:
            raise ValueError(f"--field: {name} is given twice")
        fields[name] = _listed(name, listed, of_words=hints.get(name) is str)
    return fields


def _listed(name: str, text: str, *, of_words: bool) -> list[Any]:
    if not text.startswith("["):
        words = text.split(",")
        return words if of_words else [_value(word) for word in words]
    values = _value(text)
    if not isinstance(values, list):
        raise ValueError(f"--field: expected a list [VALUE, VALUE, …] of {name}, got {text!r}")
    return values


def _value(word: str) -> Any:
    known = {"True": True, "False": False, "None": None}
    try:
        return known[word] if word in known else json.loads(word)
    except json.JSONDecodeError:
        return word


HELP = """Writes an explorer as one HTML page that needs neither Python nor a network.

The page holds the picture of every combination of the given values; each field with two or more values gets the control
that it has in the notebook. All other fields stay as they are in a new explorer, or in the scene given with --state."""
EXAMPLES = """examples:
  python -m bal_scenes.page bal_course.explorers.three_kinds:ThreeKinds \\
      --field place=0,4,7,11 --field count=5,40,320 --out page.html
  --field terms=False,True            a box to tick
  --field 'word=["a, b", "c"]'        values that hold commas, as JSON"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m bal_scenes.page",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "explorer", metavar="MODULE:CLASS", help="for example bal_course.explorers.three_kinds:ThreeKinds"
    )
    parser.add_argument(
        "--field", action="append", default=[], metavar="NAME=VALUE,…", help="a field and its values; may be repeated"
    )
    parser.add_argument(
        "--state", metavar="SCENE", help="a copied scene, for the other fields and for the page's first scene"
    )
    parser.add_argument("--title", help="heading of the page (default: the first line of the explorer's description)")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the HTML file to write")
    options = parser.parse_args(arguments)
    try:
        explorer = _explorer(options.explorer)
        if options.state:
            explorer.restore(options.state)
        title = options.title or (type(explorer).__doc__ or type(explorer).__name__).strip().splitlines()[0].rstrip(".")
        path = write_page(explorer, options.out, fields=_read_fields(explorer, options.field), title=title)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
