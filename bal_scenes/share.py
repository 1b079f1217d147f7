"""A state as one line of text, and back: teachers hand out scenes, learners keep them."""

import json
import math
import types
from dataclasses import asdict, fields
from reprlib import repr as brief  # a pasted text may be long, and its brackets deep
from typing import Any, Union, get_args, get_origin, get_type_hints

KIND = "explorer"
LARGEST = 2**53 - 1  # up to here every program reads the same whole numbers


def _number(digits: str) -> float:
    """A number of a text: JSON writes larger ones than a picture, or a whole number that all programs agree on, can hold."""
    value = float(digits)
    if not abs(value) <= LARGEST:
        raise ValueError(f"This text is not a copied scene: expected numbers up to {LARGEST}, got {digits[:40]}.")
    return value


def _whole(digits: str) -> int:
    _number(digits)
    return int(digits)


def check_copyable(name: str, value: Any) -> None:
    """Raises ValueError where a field of a state is infinite or NaN, or holds such a number."""
    if isinstance(value, (list, tuple)):
        for one in value:
            check_copyable(name, one)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")


def typed(name: str, value: Any, hint: Any) -> Any:
    """`value` from JSON as the type that a field declares; lists become tuples, whole numbers may stand for real ones.

    Knows int, float, bool, str, None, tuple[...] and unions of them. Raises ValueError for anything else.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return value if value is None and type(None) in inner else typed(name, value, inner[0])
    if origin is tuple and isinstance(value, (list, tuple)):
        hints = inner[:1] * len(value) if inner[-1] is ... else inner
        if len(hints) != len(value):
            raise ValueError(f"{name}: expected {len(hints)} entries, got {len(value)}")
        return tuple(typed(name, one, one_hint) for one, one_hint in zip(value, hints, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise ValueError(f"{name}: expected {getattr(hint, '__name__', hint)}, got {brief(value)}")


def to_text(kind: str, state: Any) -> str:
    """One line of JSON: the kind of explorer, then the fields of its state."""
    return json.dumps({KIND: kind, **asdict(state)}, allow_nan=False, ensure_ascii=False)


def from_text(kind: str, state_type: type, text: str) -> Any:
    """The state that `to_text` wrote; fields that the text leaves out keep their defaults.

    Raises ValueError, with a sentence for the learner, where the text is no JSON object, belongs to another explorer,
    names unknown fields or holds values of the wrong type.
    """
    try:
        found = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise ValueError(f"This text is not a copied scene: {error.msg} at character {error.pos + 1}.") from error
    except RecursionError as error:
        raise ValueError("This text is not a copied scene: its brackets are too deep.") from error
    if not isinstance(found, dict):
        raise ValueError(f"This text is not a copied scene: expected {{...}}, got {brief(text)}.")
    if (told := found.pop(KIND, kind)) != kind:
        raise ValueError(f"This scene belongs to the explorer {brief(told)}, this one is {kind}.")
    known = [field.name for field in fields(state_type)]
    if unknown := sorted(set(found) - set(known)):
        raise ValueError(f"This scene has no field {brief(', '.join(unknown))}; it has {', '.join(known)}.")
    hints = get_type_hints(state_type)
    return state_type(**{name: typed(name, value, hints[name]) for name, value in found.items()})
