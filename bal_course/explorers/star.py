"""The star: one best line is sure of a stranger, the average over all plausible lines is not."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from bal_course.explorers.key import key_of
from bal_course.figures.classification import CLASS_NAMES, PROBABILITY_MAP
from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Preset, Scene, Slider, stage
from bal_scenes.scene import (
    Layer,
    Panel,
    bar_axis,
    bars,
    class_points,
    contour,
    grid,
    heat,
    line,
    panel,
    points,
    rects,
    scene,
    text,
)
from bal_utils.runtime import stream
from bal_utils.theory.logistic_regression import average_probability, fit_map, grid_posterior, two_groups

PLANE = {"x": (-7.5, 7.5), "y": (-5.0, 10.0)}
PIXELS, CELLS, LOST = 40, 61, 2e-4  # of the map; of the posterior's grid; share of it that may be left out
MOST_DRAWS, BINS = 200, 20
BEYOND = 40.0  # half the length of a line: it leaves the plane on both sides
AVERAGE, BEST = "average over all lines", "one best line"
SIDES = (
    {"colour": "black", "dash": "dotted"},
    {"colour": "black", "dash": "solid"},
)  # the map has the classes' colours
SURE_ENOUGH_APART = 0.1


START = (1.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class StarState:
    """Where the star is, what the prior allows, and which patients were seen."""

    star: tuple[float, float] = START
    prior_width: float = 3.16  # standard deviation of each weight, 1/√α
    draws: int = 40
    num_each: int = 5
    distance: float = 3.0
    shown: str = AVERAGE
    seed: int = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The best weights, the posterior as weighted cells, and draws from it."""

    best_2: torch.Tensor
    weights_G_2: torch.Tensor
    shares_G: torch.Tensor
    draws_K_2: np.ndarray


@stage
def fitted(num_each: int, distance: float, seed: int, prior_width: float) -> Fitted:
    """The posterior of the two weights. In float32, which is plenty for a picture."""
    inputs_N_2, labels_N = two_groups(num_each, distance=distance, seed=seed)
    best_2, _ = fit_map(inputs_N_2, labels_N, prior_width**-2)
    posterior = grid_posterior(inputs_N_2, labels_N, prior_width**-2, cells=CELLS).trimmed(LOST)
    return Fitted(
        best_2=best_2.float(),
        weights_G_2=posterior.weights_G_2.float(),
        shares_G=posterior.shares_G.float(),
        draws_K_2=posterior.draw(MOST_DRAWS, stream(seed, "draws")).numpy(),
    )


@stage
def probability_map(num_each: int, distance: float, seed: int, prior_width: float, shown: str) -> np.ndarray:
    """p(ill) over the plane [PIXELS, PIXELS]."""
    fit = fitted(num_each, distance, seed, prior_width)
    places_P_2 = torch.from_numpy(grid(**PLANE, columns=PIXELS))
    if shown == BEST:
        return torch.sigmoid(places_P_2 @ fit.best_2).reshape(PIXELS, PIXELS).numpy()
    return average_probability(fit.weights_G_2, places_P_2, fit.shares_G).reshape(PIXELS, PIXELS).numpy()


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What is said about the star: by the best line, by the average, by how much of the posterior (bins), on which side."""

    best: float
    average: float
    shares_B: np.ndarray
    side: float


@stage
def predictions(
    num_each: int, distance: float, seed: int, prior_width: float, star: tuple[float, float]
) -> Predictions:
    """The predictions for the star."""
    fit, place_2 = fitted(num_each, distance, seed, prior_width), torch.tensor(star, dtype=torch.float32)
    scores_G = fit.weights_G_2 @ place_2
    probs_G = torch.sigmoid(scores_G)
    return Predictions(
        best=torch.sigmoid(fit.best_2 @ place_2).item(),
        average=(probs_G @ fit.shares_G).item(),
        shares_B=np.histogram(probs_G.numpy(), bins=BINS, range=(0, 1), weights=fit.shares_G.numpy())[0],
        side=fit.shares_G[scores_G > 0].sum().item(),
    )


def where(state: StarState) -> tuple[int, float, int, float]:
    """The part of the state that decides the posterior."""
    return state.num_each, state.distance, state.seed, state.prior_width


class TheStar(Explorer):
    """The learner drags the star and widens the prior; two predictions and a bundle of boundaries answer."""

    State = StarState
    controls: ClassVar = (
        Slider("prior_width", label="Prior width 1/√α", low=0.1, high=100.0, step=0.1, log=True),
        Choice("shown", label="Map", options=(AVERAGE, BEST)),
        Button("other_patients", label="Other patients"),
        IntSlider("draws", label="Lines drawn", low=1, high=MOST_DRAWS, more=True),
        IntSlider("num_each", label="Patients in each group", low=1, high=100, more=True),
        Slider("distance", label="Distance of the groups", low=0.0, high=6.0, step=0.25, more=True),
    )
    presets: ClassVar = (
        Preset("What does the best line say alone?", {"shown": BEST}),
        Preset("And next to the ill patients?", {"star": (3.5, 0.5)}),
        Preset("With a narrow prior?", {"prior_width": 0.3}),
        Preset("With a hundred patients a group?", {"num_each": 100}),
    )

    def other_patients(self, state: StarState) -> StarState:
        """The same clinic, other people."""
        return replace(state, seed=state.seed + 1)

    def on_drag(self, state: StarState, event: Event) -> StarState:
        """Moves the star."""
        return replace(state, star=(round(event.x, 2), round(event.y, 2)))

    def compute(self, state: StarState) -> Scene:
        """The plane with map, lines, patients and star; beside it both predictions and what single lines say."""
        said = predictions(*where(state), state.star)
        alt = (
            f"Two groups of patients, a bundle of {state.draws} straight boundaries, and a star at marker A {state.star[0]:g}, "
            f"marker B {state.star[1]:g}. Best line: {said.best:.3f} ill. Average: {said.average:.3f} ill."
        )
        shown = plane(state)
        key = key_of(shown, (0.61, 0, 0.39, 0.24))  # on a small map it would cover the patients
        panels = shown, key, _two_bars(said), _opinions(said)
        return scene(*panels, alt=alt, status=_sentence(said), width=900, height=500)


def plane(state: StarState) -> Panel:
    """The probability of being ill everywhere, the bundle, the line of one half, the patients, and the star."""
    probs_R_C = probability_map(*where(state), state.shown)
    axes = PLANE | {"x_label": "marker A", "y_label": "marker B", "legend": ""}
    star = {"shape": "star", "size": 26, "colour": "black", "ids": [0], "drag": True, "names": ["the star"]}
    return panel(
        heat(probs_R_C, **PLANE, low=0, top=1, colours=PROBABILITY_MAP, opacity=0.55, bar="p(ill)"),
        bundle(state),
        contour(probs_R_C, 0.5, **PLANE, colour="black", width=3, label="p = ½ on the map"),
        patients(state),
        points([state.star[0]], [state.star[1]], **star),
        text([START[0]], [START[1]], "drag me", bold=True, offset=(0, -26)) if state.star == START else [],
        **axes,
        box=(0, 0, 0.6, 1),
        equal=True,
        title=f"Map: {state.shown}",
    )


def patients(state: StarState) -> list[Layer]:
    """The patients, and beside each group its name."""
    inputs_N_2, labels_N = two_groups(state.num_each, distance=state.distance, seed=state.seed)
    centres_2 = [inputs_N_2[labels_N == c, 0].mean().item() for c in (0, 1)]
    names = text(centres_2, [inputs_N_2[:, 1].max().item()] * 2, CLASS_NAMES, bold=True, offset=(0, 18))
    return [*(layer | {"label": ""} for layer in class_points(inputs_N_2, labels_N, size=11)), names]


def bundle(state: StarState) -> list[Layer]:
    """The boundaries w·x = 0 of the draws: solid where they put the star on the ill side, dashed where on the other."""
    draws_K_2 = fitted(*where(state)).draws_K_2[: state.draws]
    along_K_2 = np.stack([-draws_K_2[:, 1], draws_K_2[:, 0]], axis=1)
    along_K_2 = BEYOND * along_K_2 / np.linalg.norm(along_K_2, axis=1, keepdims=True)
    ill_K = draws_K_2 @ np.array(state.star) > 0
    layers = []
    for c, name in enumerate(CLASS_NAMES):
        x_K, y_K = along_K_2[ill_K == bool(c)].T
        if len(x_K):
            ends = np.stack([-x_K, x_K], axis=1), np.stack([-y_K, y_K], axis=1)
            layers.append(line(*ends, width=1.2, opacity=0.75, label=f"says: star is {name}", **SIDES[c]))
    return layers


def _two_bars(said: Predictions) -> Panel:
    """The two predictions."""
    axes = bar_axis(["best line", "average"]) | {"x": (0, 1.4), "x_ticks": [(0, "0"), (0.5, "0.5"), (1, "1")]}
    layers = bars(np.diag([said.best, said.average]), segments=["", ""], colours=["grey", "black"], totals="{:.3f}")
    return panel(*layers, **axes, box=(0.61, 0.24, 0.39, 0.32), title="How probable is ill?")


def _opinions(said: Predictions) -> Panel:
    """A histogram: how much of the posterior gives the star which probability."""
    edges = np.linspace(0, 1, BINS + 1)
    layer = rects(edges[:-1] + 0.004, edges[1:] - 0.004, np.zeros(BINS), said.shares_B, colour="grey")
    mark = line([said.average, said.average], [0, 1], width=3, colour="black", dash="dashed", label="average")
    axes = {
        "x": (0, 1),
        "y": (0, 1),
        "x_label": "p(ill) of the star by one line",
        "y_label": "share of lines",
        "legend": "top left",
    }
    return panel(layer, mark, **axes, box=(0.61, 0.56, 0.39, 0.44), title="What do single lines say?")


def _sentence(said: Predictions) -> str:
    """What the numbers mean."""
    numbers = f"The best line says {said.best:.3f}, the average over all lines {said.average:.3f}."
    if abs(said.best - said.average) < SURE_ENOUGH_APART:
        return f"They nearly agree: here it hardly matters which of the plausible lines is right. {numbers}"
    ill = round(100 * said.side)
    return f"{ill} % of the plausible lines put the star on the ill side, {100 - ill} % on the other. {numbers}"
