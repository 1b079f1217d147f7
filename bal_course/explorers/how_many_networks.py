"""How many networks: members of an ensemble on a line with a gap, their mixture, and how often its 95 % interval is right."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy import ndarray
from scipy.special import ndtr
from torch import nn

from bal_course.explorers.key import key_of
from bal_course.figures.ensembles import HALF_WIDTH
from bal_scenes.base import Event, Explorer, IntSlider, Play, Preset, Scene, Slider, stage
from bal_scenes.scene import Panel, band, line, panel, points, scene, text
from bal_utils.data import sine_with_gap
from bal_utils.models import MLP
from bal_utils.posteriors.ensemble import fit_ensemble
from bal_utils.theory.uncertainty import gaussian_nll
from bal_utils.training.fit import FitConfig

MOST = 20
NUM_POINTS, NOISE, GAP, RANGE = 100, 0.2, (0.0, 2.5), (-4.0, 4.0)
SCHEDULE = FitConfig(learning_rate=2e-2, batch_size=NUM_POINTS, max_epochs=200)
PLACES_G = np.linspace(*RANGE, 161)
IN_GAP_G = (GAP[0] < PLACES_G) & (GAP[1] > PLACES_G)


@dataclass(frozen=True, kw_only=True)
class HowManyNetworksState:
    """Members of the ensemble, what PyTorch's initial weights are multiplied with, and which data and weights are drawn."""

    members: int = 5
    scale: float = 1.0
    seed: int = 0


def scaled_network(scale: float) -> nn.Module:
    """A network for a mean and a log-variance, its initial weights and biases `scale` times PyTorch's."""
    network = MLP(1, 2, hidden=(50,), dropout=0.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= scale
    return network


@stage
def data_of(seed: int) -> tuple[ndarray, ndarray]:
    """Inputs and targets of the training set, [N] each."""
    inputs_N_1, targets_N_1 = sine_with_gap(NUM_POINTS, NOISE, seed, gap=GAP)
    return inputs_N_1[:, 0].numpy(), targets_N_1[:, 0].numpy()


@stage
def train_members(scale: float, seed: int) -> tuple[ndarray, ndarray]:
    """Means and variances of all twenty members on the grid, [G, M] each; fewer members are the first of these."""
    inputs_N, targets_N = (torch.tensor(values_N) for values_N in data_of(seed))
    ensemble = fit_ensemble(
        lambda: scaled_network(scale), inputs_N[:, None], targets_N,
        num_members=MOST, config=SCHEDULE, seed=seed, loss=gaussian_nll,
    )  # fmt: skip
    outputs_G_M_2 = ensemble.sample_outputs(torch.tensor(PLACES_G[:, None]).float()).double().numpy()
    return outputs_G_M_2[..., 0], np.exp(outputs_G_M_2[..., 1])


@stage
def mixtures(scale: float, seed: int) -> tuple[ndarray, ndarray]:
    """Mean and standard deviation of the mixture of the first 1, 2, … 20 members, [G, M] each."""
    means_G_M, variances_G_M = train_members(scale, seed)
    count_M = np.arange(1, MOST + 1)
    mean_G_M = means_G_M.cumsum(axis=1) / count_M
    second_moment_G_M = (variances_G_M + means_G_M**2).cumsum(axis=1) / count_M
    return mean_G_M, np.sqrt(second_moment_G_M - mean_G_M**2)


@stage
def coverage(scale: float, seed: int) -> tuple[ndarray, ndarray]:
    """The share of new data within 1.96 standard deviations, for 1, 2, … 20 members: where data were, and in the gap.

    No new data are drawn: at each place a new y is sin x + 0.2 ε, whose probability to fall inside is known.
    """
    mean_G_M, std_G_M = mixtures(scale, seed)
    error_G_M = mean_G_M - np.sin(PLACES_G)[:, None]
    half_G_M = HALF_WIDTH * std_G_M
    inside_G_M = ndtr((error_G_M + half_G_M) / NOISE) - ndtr((error_G_M - half_G_M) / NOISE)
    return inside_G_M[~IN_GAP_G].mean(axis=0), inside_G_M[IN_GAP_G].mean(axis=0)


class HowManyNetworks(Explorer):
    """Add networks one at a time; watch the band in the gap, and how many new data it holds."""

    State = HowManyNetworksState
    hand: ClassVar = "click the picture on the right: so many networks"
    controls: ClassVar = (
        IntSlider("members", label="Networks M", low=1, high=MOST),
        Slider("scale", label="Initial weights ×", low=0.25, high=4.0, step=0.1, log=True, continuous=False),
        IntSlider("seed", label="Seed", low=0, high=9, continuous=False),
    )
    slow_fields: ClassVar = frozenset({"scale", "seed"})
    presets: ClassVar = (
        Preset("Is one network enough?", {"members": 1}),
        Preset("What do twenty add?", {"members": MOST}),
        Preset("Wild initial weights: is 100 % good news?", {"scale": 4.0}),
        Preset("Small ones: do the members agree more?", {"scale": 0.25}),
    )
    play: ClassVar = Play("members", label="Networks M")

    def compute(self, state: HowManyNetworksState) -> Scene:
        """The members and their mixture on the left, the coverage against the number of members on the right."""
        seen_M, gap_M = coverage(state.scale, state.seed)
        networks = "1 network" if state.members == 1 else f"{state.members} networks"
        holds = f"{100 * seen_M[state.members - 1]:.0f} % where data were, {100 * gap_M[state.members - 1]:.0f} % in the gap"
        status = (
            f"{networks}: the 95 % interval holds {holds}. In the gap the means spread by {self._spread(state):.2f}."
        )
        coverages = self._coverage(state, seen_M, gap_M)
        alt = (
            f"The curves of {networks} on a sine with a gap, with the band of their mixture, and its coverage: {holds}"
        )
        key = key_of(coverages, (0.58, 0.7, 0.42, 0.3))
        return scene(self._curves(state), coverages, key, alt=alt, status=status)

    def on_click(self, state: HowManyNetworksState, event: Event) -> HowManyNetworksState:
        """Takes as many networks as the place that was clicked in the picture of the coverage says."""
        if event.panel != 1 or event.x is None:
            return state
        return replace(state, members=int(np.clip(round(event.x), 1, MOST)))

    def _spread(self, state: HowManyNetworksState) -> float:
        """The standard deviation of the members' means, averaged over the gap."""
        means_G_M, _ = train_members(state.scale, state.seed)
        return float(means_G_M[IN_GAP_G, : state.members].std(axis=1).mean())

    def _curves(self, state: HowManyNetworksState) -> Panel:
        means_G_M, _ = train_members(state.scale, state.seed)
        mean_G, std_G = (values_G_M[:, state.members - 1] for values_G_M in mixtures(state.scale, state.seed))
        layers = [
            band(PLACES_G, mean_G - HALF_WIDTH * std_G, mean_G + HALF_WIDTH * std_G, label="95 % interval, new y"),
            line(
                PLACES_G, means_G_M[:, : state.members].T, colour="vermillion", width=1.2, opacity=0.75, label="members"
            ),
            line(PLACES_G, mean_G, width=3, label="mean of the mixture"),
            line(PLACES_G, np.sin(PLACES_G), colour="black", dash="dashed", label="sin x"),
            points(*data_of(state.seed), size=5, colour="black"),
        ]
        labels = {"x_label": "input x", "y_label": "target y", "title": "No data from 0 to 2.5"}
        return panel(*layers, x=RANGE, y=(-3, 4), box=(0, 0, 0.58, 1), legend="top left", **labels)

    def _coverage(self, state: HowManyNetworksState, seen_M: ndarray, gap_M: ndarray) -> Panel:
        count_M, here = np.arange(1, MOST + 1), state.members
        layers = [
            line([0.5, MOST + 0.5], [0.95, 0.95], colour="grey", dash="dotted", label="promised: 95 %"),
            line(count_M, seen_M, label="where data were"),
            line(count_M, gap_M, colour="vermillion", dash="dashed", label="in the gap"),
            line([here, here], [0, 1.1], colour="black", width=1),
            points([here], [seen_M[here - 1]], size=15),
            points([here], [gap_M[here - 1]], size=13, shape="triangle", colour="vermillion"),
            *_numbers(here, seen_M[here - 1], gap_M[here - 1]),
        ]
        low = min(0.8, math.floor(10 * min(seen_M.min(), gap_M.min()) - 0.2) / 10)  # of all M: the axis stays
        labels = {"x_label": "networks M", "y_label": "share inside", "title": "New data inside the interval"}
        ticks = [(count, str(count)) for count in (1, 5, 10, 15, 20)]
        return panel(*layers, x=(0.5, MOST + 0.5), y=(low, 1.04), x_ticks=ticks, box=(0.58, 0, 0.42, 0.72),
                     legend="", click_anywhere=True, **labels)  # fmt: skip


def _numbers(here: int, seen: float, gap: float) -> list:
    """Both shares beside their marks, the larger one above, on the side where there is room."""
    style = {"align": "right" if here > MOST / 2 else "left", "bold": True}
    across, up = (-14 if here > MOST / 2 else 14), (14 if seen >= gap else -14)
    return [
        text([here], [seen], f"{100 * seen:.0f} %", colour="blue", offset=(across, up), **style),
        text([here], [gap], f"{100 * gap:.0f} %", colour="vermillion", offset=(across, -up), **style),
    ]
