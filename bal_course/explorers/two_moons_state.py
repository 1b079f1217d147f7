"""The state of the TwoMoons explorer, and what follows from it: labels, scores, terms, the next batch, the curve."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from bal_course.explorers import moons
from bal_course.explorers.moons import COLUMNS, PLANE, ROWS, Setting
from bal_scenes.base import stage
from bal_utils.theory import information

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TwoMoonsState:
    """`asked` are pool points labelled since the start, in order; `dropped` are first labels that were taken back."""

    noise: float = 0.2
    seed: int = 3
    start: int = 6
    posterior: str = "MC-dropout"
    samples: int = 20
    dropout: float = 0.2
    strategy: str = "bald"
    compare: str = ""
    batch: int = 1
    terms: bool = False
    asked: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    at: tuple[float, float] | None = None


def labelled(state: TwoMoonsState, count: int | None = None) -> tuple[int, ...]:
    """The labelled pool points, sorted; with `count`, those that were there after so many questions."""
    first = set(moons.first_labels(state.noise, state.seed, state.start)) - set(state.dropped)
    return tuple(sorted(first | set(state.asked[:count])))


def setting(state: TwoMoonsState) -> Setting:
    """What the networks depend on; only MC-dropout trains with dropout, so p must not make the others train again."""
    dropout = state.dropout if state.posterior == "MC-dropout" else 0.0
    return Setting(state.noise, state.seed, labelled(state), state.posterior, dropout)


@stage
def score_map(fitted: Setting, count: int, strategy: str) -> ndarray:
    """The scores of the map's places, values_R_C."""
    return moons.surface(strategy, moons.sample(fitted).first(count), fitted.labelled, fitted.seed)


@stage
def term_maps(fitted: Setting, count: int) -> ndarray:
    """All doubt, noise and what a label teaches, in nats, and the probability of class 1: maps_4_R_C."""
    log_probs_G_K_C = moons.sample(fitted).first(count).grid_G_K_C
    total_G, noise_G = information.predictive_entropy(log_probs_G_K_C), information.expected_entropy(log_probs_G_K_C)
    probs_G = log_probs_G_K_C[..., 1].exp().mean(dim=1)
    return np.stack([part.reshape(ROWS, COLUMNS).numpy() for part in (total_G, noise_G, total_G - noise_G, probs_G)])


@stage
def chosen_batch(fitted: Setting, count: int, strategy: str, batch: int) -> tuple[int, ...]:
    """What the strategy would ask for, best first; empty where everything is labelled."""
    samples = moons.sample(fitted).first(count)
    return tuple(moons.next_batch(strategy, samples, fitted.labelled, batch, fitted.seed).indices)


def next_batch(state: TwoMoonsState, strategy: str | None = None) -> tuple[int, ...]:
    """What the state's strategy, or another one, would ask for."""
    return chosen_batch(setting(state), state.samples, strategy or state.strategy, state.batch)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The doubt at one place: noise and what a label teaches, in nats, and the probability of class 1."""

    noise: float
    taught: float
    prob: float

    @property
    def total(self) -> float:
        """All the doubt there is."""
        return self.noise + self.taught


def terms_at(state: TwoMoonsState, place: Place) -> Terms:
    """The terms in the map's cell around a place."""
    column, row = (
        int(np.clip((value - low) / (high - low) * count, 0, count - 1))
        for value, (low, high), count in zip(place, PLANE.values(), (COLUMNS, ROWS), strict=True)
    )
    _, noise, taught, prob = term_maps(setting(state), state.samples)[:, row, column]
    return Terms(noise=float(noise), taught=max(float(taught), 0.0), prob=float(prob))


def history(state: TwoMoonsState) -> tuple[list[int], list[float]]:
    """Numbers of labels along the run, one a batch, and what those labels were worth."""
    last = len(state.asked)
    known = [labelled(state, count) for count in range(last + 1) if count % state.batch == 0 or count == last]
    known = [points for points in known if points]
    return [len(points) for points in known], [moons.worth(state.noise, state.seed, points) for points in known]
