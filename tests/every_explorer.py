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
from bal_utils.active_learning import loop_config, run_active_learning
from bal_utils.data import load_images
from bal_utils.training.fit import FitConfig


def a_short_run() -> Path:
    """A folder with the record of two rounds on the digits."""
    folder = Path(tempfile.mkdtemp())
    fit = FitConfig(epoch_samples=64, max_epochs=1)
    config = loop_config("lecture", model="mlp", labels=30, validation_size=20, num_samples=3, test_samples=3, fit=fit)
    run_active_learning(config, load_images("digits"), path=folder / "run.json", device="cpu", progress=False)
    return folder


# those that need arguments, or would find what a learner has done
MADE: dict[str, Callable[[type[Explorer]], Explorer]] = {
    "BeTheOracle": lambda kind: kind(folder=tempfile.mkdtemp()),
    "GuessTheQuery": lambda kind: kind(np.linspace(0, 1, 20 * 64).reshape(20, 8, 8), np.linspace(0, 1, 20)),
    "MnistRuns": lambda kind: kind(a_short_run()),
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
