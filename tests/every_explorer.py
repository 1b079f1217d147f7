"""Every explorer of the course, ready to be shown: for tests that hold for all of them."""

import importlib
import inspect
import pkgutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from bal_course import explorers
from bal_scenes.base import Explorer

RUNS = Path(__file__).parents[1] / "figures" / "mnist_lecture"

# those that need arguments, or would find what a learner has done
MADE: dict[str, Callable[[type[Explorer]], Explorer]] = {
    "BeTheOracle": lambda kind: kind(folder=tempfile.mkdtemp()),
    "GuessTheQuery": lambda kind: kind(np.linspace(0, 1, 20 * 64).reshape(20, 8, 8), np.linspace(0, 1, 20)),
    "MnistRuns": lambda kind: kind(RUNS),
}


def explorer_kinds() -> dict[str, type[Explorer]]:
    """The classes of the package's explorers, by name."""
    found = {}
    for module in pkgutil.iter_modules(explorers.__path__):
        for name, value in vars(importlib.import_module(f"{explorers.__name__}.{module.name}")).items():
            if inspect.isclass(value) and issubclass(value, Explorer) and value is not Explorer:
                found[name] = value
    return dict(sorted(found.items()))


@cache
def made(name: str) -> Explorer:
    """An explorer of this name at its first state."""
    return MADE.get(name, lambda kind: kind())(explorer_kinds()[name])
