"""How long an explorer takes to answer, without the browser: states that it has not seen, and a mark that is dragged.

From key press to pixels, in a browser, is what `tests/browser/latency.py` measures.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
from measure import Table

from bal_scenes.base import Event, Explorer

HAND = 0.05  # seconds in which an answer must come to seem to follow the hand

# fields of states that no stage remembers, and the seconds within which they are to be drawn
STATES: dict[str, tuple[str, float, list[dict[str, Any]]]] = {
    "BestTen": ("best_ten", HAND, [{"samples": 20 + 5 * i, "copies": 1 + i % 4} for i in range(1, 16)]),
    "DropoutKL": (
        "dropout_kl",
        HAND,
        [{"drop": 0.04 + 0.045 * i, "std": 0.051 * i, "dims": 13 * i, "size": 0.017 * i} for i in range(1, 20)],
    ),
    "DropoutLeftOn": ("dropout_left_on", HAND, [{"passes": passes} for passes in range(2, 101, 9)]),
    "HowManyNetworks": ("how_many_networks", HAND, [{"members": members} for members in range(1, 21)]),
    "PosteriorMaps": (
        "posterior_maps",
        HAND,
        [{"samples": 3 * i, "shown": "BALD", "star": (0.1 * i, 0.2)} for i in range(1, 16)],
    ),
    "ThreeKinds": (
        "three_kinds",
        HAND,
        [{"noise": 0.05 + 0.0371 * i, "count": 5 + 15 * i, "place": 0.531 * i} for i in range(1, 21)],
    ),
} | {
    f"PriorToPosterior, {method}": (
        "prior_to_posterior",
        seconds,
        [{"scale": 0.3 + 0.0517 * i, "kl_weight": 0.9 + 0.1 * i, "method": method} for i in range(1, 8)],
    )
    for method, seconds in (("Laplace, linearised", 2 * HAND), ("Bayes by Backprop", 10 * HAND))  # they learn anew
}


def explorer_of(module: str, name: str) -> type[Explorer]:
    return getattr(import_module(f"bal_course.explorers.{module}"), name.partition(",")[0])


def seconds_each(clock: Callable[[], float], act: Callable[[Any], Any], things: Any) -> Iterator[float]:
    for thing in things:
        start = clock()
        act(thing)
        yield clock() - start


def measure_all(table: Table) -> None:
    """One line an explorer: the median time of an answer."""
    print("\nAnswers of the explorers, without the browser")
    for name, (module, target, states) in STATES.items():
        explorer = explorer_of(module, name)()
        drawn = [explorer.State(**fields) for fields in states]
        table.answer(name, median(seconds_each(table.clock, explorer.compute, drawn)), target)
    fit_q, pick = explorer_of("fit_q", "FitQ"), explorer_of("pick_the_label", "PickTheLabel")
    with_path = fit_q(fit_q.State(target="two bumps"))
    with_path.press("ten_steps")
    for name, explorer, point in (("FitQ, dragged", with_path, 0), ("PickTheLabel, dragged", pick(), 1)):
        drags = [Event(kind="drag", panel=0, point=point, x=float(x), y=0.2) for x in np.linspace(0.1, 0.9, 30)]
        table.answer(name, median(seconds_each(table.clock, explorer.dispatch, drags)), HAND)
