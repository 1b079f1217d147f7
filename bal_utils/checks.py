"""Checks of arguments, each written once: they return the value as Python's own number, or say what came instead.

A whole number is a `numbers.Integral` (NumPy's too), and True is none.
"""

import math
from numbers import Integral, Real


def check_whole(name: str, value: int, *, at_least: int, at_most: int | None = None) -> int:
    """`value` as an int. Raises ValueError, naming the argument, where it is no whole number of that range."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < at_least or (at_most is not None and value > at_most):
        span = f"at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(f"{name}: expected a whole number, {span}, got {value!r}")
    return int(value)


def check_number(
    name: str,
    value: float,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """`value` as a finite float. Raises ValueError, naming the argument, where it is none or outside the bounds."""
    bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
    real = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    inside = (
        real
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not inside:
        span = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
        raise ValueError(f"{name}: expected a finite number{', ' * bool(span)}{span}, got {value!r}")
    return float(value)
