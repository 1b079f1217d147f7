"""Posterior maps: two methods look at the same two moons, side by side; a star asks both about one place."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from bal_course.comparison import (
    BACKPROP,
    DROPOUT,
    ENSEMBLE,
    LAPLACE_ALL,
    LAPLACE_LAST,
    ONE_NETWORK,
    FittedMethod,
    Recipe,
    fit_method,
    fit_networks,
)
from bal_course.figures.classification import PROBABILITY_MAP
from bal_scenes.base import Choice, Event, Explorer, IntSlider, Preset, Scene, Slider, stage
from bal_scenes.scene import Panel, class_points, contour, grid, heat, panel, points, scene
from bal_utils.acquisition import bald_scores
from bal_utils.data import two_moons
from bal_utils.posteriors.weights import WeightSamples
from bal_utils.theory.information import predictive_entropy

PLANE = {"x": (-3.0, 4.0), "y": (-3.0, 3.5)}
PIXELS, MOST_SAMPLES, HIDDEN = 36, 100, 10
METHODS = (ONE_NETWORK, DROPOUT, ENSEMBLE, BACKPROP, LAPLACE_LAST, LAPLACE_ALL)  # HMC takes too long to answer a hand
PROBABILITY, DOUBT, BALD = "probability of class 1", "all doubt (entropy)", "BALD"
TOPS = {PROBABILITY: 1.0, DOUBT: math.log(2), BALD: math.log(2)}  # the most there can be, so that maps can be compared
APART = 0.1  # probabilities at the star that differ by less are said to agree
SHORT = Recipe(
    network=lambda dropout: network(dropout),
    epochs=200,
    batch_size=200,
    learning_rate=3e-2,
    backprop_steps=250,
    backprop_draws=2,
    num_samples=MOST_SAMPLES,
)


@dataclass(frozen=True, kw_only=True)
class PosteriorMapsState:
    """Which methods, what is shown of them, where the star is, and the data that all are fitted to."""

    left: str = ONE_NETWORK
    right: str = LAPLACE_ALL
    shown: str = PROBABILITY
    samples: int = 50
    num_points: int = 40
    noise: float = 0.2
    prior_std: float = 3.0
    dropout: float = 0.2
    seed: int = 0
    star: tuple[float, float] = (-2.0, 2.5)


def network(dropout: float) -> nn.Module:
    """Ten tanh units."""
    return nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Dropout(dropout), nn.Linear(HIDDEN, 2))


@stage
def data_of(num_points: int, noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The labelled points."""
    return two_moons(num_points, noise, seed)


@stage
def networks_of(num_points: int, noise: float, seed: int, prior_std: float) -> WeightSamples:
    """Five networks, the first of which is also the one network and the centre of Laplace's approximation."""
    return fit_networks(replace(SHORT, prior_std=prior_std), data_of(num_points, noise, seed), seed)


@stage
def posterior_of(
    method: str, num_points: int, noise: float, seed: int, prior_std: float, dropout: float
) -> FittedMethod:
    """One method, fitted; a shorter training than the notebook's, so that it answers within a second."""
    recipe, data = replace(SHORT, prior_std=prior_std, dropout=dropout), data_of(num_points, noise, seed)
    return fit_method(method, recipe, data, seed, networks_of(num_points, noise, seed, prior_std))


@stage
def samples_of(method: str, num_points: int, noise: float, seed: int, prior_std: float, dropout: float) -> torch.Tensor:
    """log_probs_G_K_C at the pixels of the map, for as many samples as the method gives."""
    posterior = posterior_of(method, num_points, noise, seed, prior_std, dropout)
    with torch.no_grad():
        return posterior.sample_log_probs(torch.from_numpy(grid(**PLANE, columns=PIXELS)))


@stage
def maps_of(
    method: str, samples: int, num_points: int, noise: float, seed: int, prior_std: float, dropout: float
) -> dict[str, ndarray]:
    """Probability, entropy and BALD over the plane, [PIXELS, PIXELS] each, from the first samples."""
    # dropout is no concern of the others, and must not make them be fitted anew
    dropout = dropout if method == DROPOUT else 0.0
    log_probs_G_K_C = samples_of(method, num_points, noise, seed, prior_std, dropout)[:, :samples]
    found = {
        PROBABILITY: log_probs_G_K_C[..., 1].exp().mean(dim=1),
        DOUBT: predictive_entropy(log_probs_G_K_C),
        BALD: bald_scores(log_probs_G_K_C),
    }
    return {name: values_G.reshape(PIXELS, PIXELS).numpy() for name, values_G in found.items()}


class PosteriorMaps(Explorer):
    """Choose two methods, drag the star, and see what each claims to know."""

    State = PosteriorMapsState
    controls: ClassVar = (
        Choice("left", label="Left", options=METHODS),
        Choice("right", label="Right", options=METHODS),
        Choice("shown", label="Map", options=(PROBABILITY, DOUBT, BALD)),
        IntSlider("samples", label="Samples K", low=1, high=MOST_SAMPLES, more=True),
        IntSlider("num_points", label="Points", low=10, high=200, step=10, continuous=False, more=True),
        Slider("noise", label="Noise", low=0.0, high=0.5, step=0.05, continuous=False, more=True),
        Slider("prior_std", label="Prior width s", low=0.3, high=10.0, step=0.1, log=True, continuous=False, more=True),
        Slider("dropout", label="Dropout, drop", low=0.05, high=0.8, step=0.05, continuous=False, more=True),
        IntSlider("seed", label="Seed", low=0, high=9, continuous=False, more=True),
    )
    presets: ClassVar = (
        Preset("Where would each buy?", {"shown": BALD}),
        Preset("Five networks: do they doubt far away?", {"left": ENSEMBLE, "shown": BALD}),
        Preset("A narrow prior: do five agree?", {"left": ENSEMBLE, "shown": BALD, "prior_std": 0.3}),
        Preset("Ten points?", {"num_points": 10}),
    )
    slow_fields: ClassVar = frozenset({"left", "right", "num_points", "noise", "prior_std", "dropout", "seed"})

    def compute(self, state: PosteriorMapsState) -> Scene:
        """Both maps on one scale of colours, the data, and the star."""
        task = (state.samples, state.num_points, state.noise, state.seed, state.prior_std, state.dropout)
        left, right = (maps_of(method, *task) for method in (state.left, state.right))
        place = partial(self._panel, state)
        here = [self._at_star(state, found) for found in (left, right)]
        widest = np.abs(left[PROBABILITY] - right[PROBABILITY]).max()
        agree = "agree" if abs(here[0][0] - here[1][0]) < APART else "disagree"
        status = (
            f"At the star they {agree}: {state.left} {self._words(here[0])}; {state.right} {self._words(here[1])}. "
            f"On this map their probabilities differ by up to {widest:.2f}."
        )
        alt = f"Two maps of two moons, {state.shown}, by {state.left} and by {state.right}. {status}"
        maps = place(0, state.left, left), place(1, state.right, right)
        return scene(*maps, alt=alt, status=status, width=980, height=430)

    def on_click(self, state: PosteriorMapsState, event: Event) -> PosteriorMapsState:
        """Moves the star to the place that was clicked in either map."""
        if event.x is None or event.y is None:
            return state
        x, y = (float(np.clip(v, *ends)) for v, ends in zip((event.x, event.y), PLANE.values(), strict=True))
        return replace(state, star=(round(x, 2), round(y, 2)))

    def on_drag(self, state: PosteriorMapsState, event: Event) -> PosteriorMapsState:
        """Drags the star."""
        return self.on_click(state, event)

    def _at_star(self, state: PosteriorMapsState, maps: dict[str, ndarray]) -> tuple[float, float]:
        """Probability and BALD in the star's pixel."""
        distance_G = ((grid(**PLANE, columns=PIXELS) - np.array(state.star)) ** 2).sum(axis=1)
        pixel = int(distance_G.argmin())
        return tuple(float(maps[name].flat[pixel]) for name in (PROBABILITY, BALD))

    def _words(self, here: tuple[float, float]) -> str:
        return f"says {here[0]:.2f} for class 1, BALD {abs(here[1]):.2f} nats"

    def _panel(self, state: PosteriorMapsState, index: int, method: str, maps: dict[str, ndarray]) -> Panel:
        colours = {"colours": PROBABILITY_MAP} if state.shown == PROBABILITY else {}
        points_N_2, labels_N = data_of(state.num_points, state.noise, state.seed)
        unit = "p(class 1)" if state.shown == PROBABILITY else "nats"
        layers = [
            heat(maps[state.shown], **PLANE, low=0, top=TOPS[state.shown], opacity=0.8, bar=unit, **colours),
            contour(maps[PROBABILITY], [0.05, 0.95], **PLANE, colour="black", width=1, dash="dotted"),
            contour(maps[PROBABILITY], 0.5, **PLANE, colour="black", width=2.5),
            *(layer | {"label": ""} for layer in class_points(points_N_2.numpy(), labels_N.numpy(), size=8)),
            points([state.star[0]], [state.star[1]], shape="star", size=20, colour="black", ids=[index], drag=True,
                   names=[f"the star, at {state.star[0]:.1f}, {state.star[1]:.1f}"]),
        ]  # fmt: skip
        return panel(*layers, **PLANE, box=(0.5 * index, 0, 0.5, 1), title=method, x_label="x₁", y_label="x₂",
                     equal=True, click_anywhere=True)  # fmt: skip
