"""A state as one line of text, and back: teachers hand out scenes, learners keep them."""

import json
import types
from dataclasses import asdict, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

KIND = "explorer"


def _no_such_number(name: str) -> Any:
    raise ValueError(f"expected finite numbers, got {name}")


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
    raise ValueError(f"{name}: expected {getattr(hint, '__name__', hint)}, got {value!r}")


def to_text(kind: str, state: Any) -> str:
    """One line of JSON: the kind of explorer, then the fields of its state."""
    return json.dumps({KIND: kind, **asdict(state)}, allow_nan=False, ensure_ascii=False)


def from_text(kind: str, state_type: type, text: str) -> Any:
    """The state that `to_text` wrote; fields that the text leaves out keep their defaults.

    Raises ValueError, with a sentence for the learner, where the text is no JSON object, belongs to another explorer,
    names unknown fields or holds values of the wrong type.
    """
    try:
        found = json.loads(text, parse_constant=_no_such_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"This text is not a copied scene: {error.msg} at character {error.pos + 1}.") from error
    if not isinstance(found, dict):
        raise ValueError(f"This text is not a copied scene: expected {{...}}, got {text[:40]!r}.")
    if found.pop(KIND, kind) != kind:
        raise ValueError(f"This scene belongs to the explorer {json.loads(text)[KIND]}, this one is {kind}.")
    known = [field.name for field in fields(state_type)]
    if unknown := sorted(set(found) - set(known)):
        raise ValueError(f"This scene has no field {', '.join(unknown)}; it has {', '.join(known)}.")
    hints = get_type_hints(state_type)
    return state_type(**{name: typed(name, value, hints[name]) for name, value in found.items()})
