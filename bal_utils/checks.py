"""Checks of arguments, each written once: they return the value as Python's own number, or say what came instead.

A whole number is a `numbers.Integral` (NumPy's too), and True is none. Tensors of numbers are float32 or float64: what is
half as precise is refused by name, for probabilities in it do not sum to one.
"""

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

PRECISIONS = (torch.float32, torch.float64)
WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_whole(name: str, value: int, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """`value` as an int. Raises ValueError, naming the argument, where it is no whole number of that range."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    too_small = whole and at_least is not None and value < at_least
    too_large = whole and at_most is not None and value > at_most
    if not whole or too_small or too_large:
        span = "" if at_least is None else f", at least {at_least}"
        span = span if at_most is None else f", from {at_least} to {at_most}"
        raise ValueError(f"{name}: expected a whole number{span}, got {value!r}")
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
    real = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    inside = (
        real
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not inside:
        span = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
        span = f", {span}" if span else ""
        raise ValueError(f"{name}: expected a finite number{span}, got {value!r}")
    return float(value)


def check_floats(name: str, value: Tensor, *, dims: int | None = None) -> None:
    """Raises TypeError unless `value` is a dense tensor of float32 or float64, ValueError unless it has `dims` dimensions."""
    _check_tensor(name, value, PRECISIONS, "a floating-point tensor, float32 or float64")
    if dims is not None and value.dim() != dims:
        word = "dimension" if dims == 1 else "dimensions"
        raise ValueError(f"{name}: expected {dims} {word}, got shape {tuple(value.shape)}")


def check_finite(name: str, value: Tensor, *, dims: int | None = None) -> None:
    """As `check_floats`; raises ValueError too where a number is NaN or infinite."""
    check_floats(name, value, dims=dims)
    if not value.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def check_labels(name: str, labels_N: Tensor, *, num_inputs: int, num_classes: int) -> Tensor:
    """The labels as int64, in which no sum or product of them wraps around; any type of whole numbers, or bool, will do.

    Raises TypeError for anything else, ValueError unless there is one from 0 to C - 1 for each input.
    """
    _check_tensor(name, labels_N, WHOLE, "a tensor of whole numbers, such as int64")
    if labels_N.shape != (num_inputs,):
        raise ValueError(f"{name}: expected one for each of {num_inputs} inputs, got shape {tuple(labels_N.shape)}")
    labels_N = labels_N.long()
    if num_inputs > 0 and (labels_N.min() < 0 or labels_N.max() >= num_classes):
        raise ValueError(
            f"{name}: expected numbers from 0 to {num_classes - 1}, got {labels_N.min().item()} to {labels_N.max().item()}"
        )
    return labels_N


def _check_tensor(name: str, value: Any, dtypes: tuple[torch.dtype, ...], expected: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected {expected}, got a {type(value).__name__} (`torch.as_tensor` makes it one)")
    if value.dtype not in dtypes or value.layout != torch.strided:
        sparse = "" if value.layout == torch.strided else f" in the layout {value.layout}"
        raise TypeError(f"{name}: expected {expected}, got {value.dtype}{sparse}")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of some hundred digits
        return False
