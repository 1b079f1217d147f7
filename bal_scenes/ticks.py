"""Round numbers for an axis, chosen once for the canvas and for Matplotlib."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from matplotlib.ticker import MaxNLocator

Ticks = Sequence[tuple[float, str]]
MINUS = re.compile(r"(?:^|(?<=[\s(\[=:,±×·]))-(?=\.?[\d∞])")


def with_minus(words: str) -> str:
    """The words with a minus sign before each negative number, in the place of a hyphen."""
    return MINUS.sub("−", words)


@lru_cache(maxsize=256)
def tick_labels(low: float, high: float, count: int = 6) -> tuple[tuple[float, str], ...]:
    """About `count` round numbers between `low` and `high` (in either order), each with its text."""
    low, high = min(low, high), max(low, high)
    slack = 1e-9 * (high - low)
    locator = MaxNLocator(count, steps=[1, 2, 5, 10])
    values = [float(v) for v in locator.tick_values(low, high) if low - slack <= v <= high + slack]
    step = values[1] - values[0] if len(values) > 1 else 1.0
    if max(map(abs, values), default=0) >= 1e6 or step < 1e-4:
        texts = [f"{v:.3g}" for v in values]
    else:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        texts = [f"{0.0 if abs(v) < step / 2 else v:.{decimals}f}" for v in values]
    return tuple((v, with_minus(t)) for v, t in zip(values, texts, strict=True))
