"""The best ten: what BALD and BatchBALD take from a pool of images and their copies, and what the batches are worth."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bal_scenes.base import Event, Explorer, IntSlider, Play, Preset, Scene, stage
from bal_scenes.scene import Layer, Panel, images, line, line_style, mark_style, panel, points, rects, scene, text
from bal_utils.acquisition import bald_scores
from bal_utils.batchbald import Configurations
from bal_utils.data import balanced_start, load_images, standardise
from bal_utils.models import MLP
from bal_utils.plotting import for_words, look_of
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, fit, initialised

IMAGES, COLUMNS, MOST, MOST_COPIES, MOST_SAMPLES = 20, 4, 10, 4, 100
KEPT = 400  # configurations: those of two picks are all kept; with more picks the information is off by some 0.02 nats
TRAINING = FitConfig(learning_rate=3e-3, epoch_samples=512, max_epochs=6)
BADGES = {"BALD": "circle", "BatchBALD": "square"}
SQUARE = 0.46 * np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])  # a card's edge
NEARLY = 0.1  # nats; with less than this left below log K, a batch has told nearly all it can


@dataclass(frozen=True, kw_only=True)
class BestTenState:
    """Batch size b, posterior samples K, copies of each image in the pool, and the image that is asked about (-1: none)."""

    batch: int = 10
    samples: int = 20
    copies: int = 3
    asked: int = -1


class Batch(NamedTuple):
    """Images in the order in which they are picked, and the joint information of the first 0, 1, 2, … of them in nats."""

    picks: tuple[int, ...]
    growth: tuple[float, ...]

    def first(self, size: int) -> "Batch":
        """The batch after so many picks: both strategies build theirs one by one."""
        return Batch(self.picks[:size], self.growth[: size + 1])

    @property
    def different(self) -> int:
        """How many different images there are in it."""
        return len(set(self.picks))

    @property
    def images_in_words(self) -> str:
        """The same as "one image" or "4 different images"."""
        return "one image" if self.different == 1 else f"{self.different} different images"

    @property
    def worth(self) -> float:
        """What its labels tell together, in nats."""
        return self.growth[-1]


@stage
def pool() -> tuple[np.ndarray, Tensor]:
    """Ink of 20 digits, images_N_H_W, and log_probs_N_K_C of 100 dropout masks trained on 20 other digits."""
    digits = load_images("digits")
    inputs_N, start = standardise(digits.train_images), balanced_start(digits.train_labels, 2, stream(0, "start"))
    network = initialised(lambda: MLP(64, 10, hidden=(256, 256)), seed=0)
    fit(network, inputs_N[start], digits.train_labels[start], config=TRAINING, seed=0)
    labelled = set(start.tolist())
    shuffled = torch.randperm(len(inputs_N), generator=stream(0, "best ten")).tolist()
    chosen = [place for place in shuffled if place not in labelled][:IMAGES]
    log_probs_N_K_C = sample_log_probs(network, inputs_N[chosen], MOST_SAMPLES, generator=stream(0, "masks"))
    return digits.train_images[chosen, 0].numpy() / 255, log_probs_N_K_C.double()


@stage
def _bald_of(samples: int) -> tuple[float, ...]:
    """The BALD score of each image in nats, from the first `samples` masks."""
    return tuple(bald_scores(pool()[1][:, :samples]).tolist())


@stage
def batches(samples: int, copies: int) -> dict[str, Batch]:
    """Ten picks of either strategy. Copies of an image predict the same, so each image is scored once for all of them."""
    log_probs_N_K_C = pool()[1][:, :samples]
    ranked = np.argsort(-np.array(_bald_of(samples)), kind="stable")
    top = tuple(np.repeat(ranked, copies)[:MOST].tolist())
    bald = Batch(top, _grow(log_probs_N_K_C, top)[1])
    return {"BALD": bald, "BatchBALD": Batch(*_grow(log_probs_N_K_C, (), copies))}


def _grow(
    log_probs_N_K_C: Tensor, given: tuple[int, ...], copies: int = 1
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Follows the `given` picks, or picks what gains most each time; the picks, and the joint information on the way."""
    known = Configurations.before_any_label(log_probs_N_K_C.shape[1], log_probs_N_K_C.device)
    left_N, generator = torch.full((IMAGES,), copies), stream(0, "best ten")
    picks, growth = [], [0.0]
    for place in range(MOST):
        if given:
            picks.append(given[place])
        else:
            gains_N = known.gains(log_probs_N_K_C, torch.float32).masked_fill(left_N == 0, -math.inf)
            picks.append(int(gains_N.argmax()))
        left_N[picks[-1]] -= 1
        known = known.observe(log_probs_N_K_C[picks[-1]], KEPT, generator)
        growth.append(max(growth[-1], known.information()))
    return tuple(picks), tuple(growth)


class BestTen(Explorer):
    """The learner moves batch size, samples and copies; both batches and what they are worth follow."""

    State = BestTenState
    hand: ClassVar = "click an image to follow it"
    controls: ClassVar = (
        IntSlider("batch", label="Batch size b", low=1, high=MOST),
        IntSlider("samples", label="Samples K", low=2, high=MOST_SAMPLES),
        IntSlider("copies", label="Copies of each image", low=1, high=MOST_COPIES),
    )
    presets: ClassVar = (
        Preset("Without copies, is there a difference?", {"copies": 1}),
        Preset("Four of each?", {"copies": MOST_COPIES}),
        Preset("Only two samples?", {"samples": 2}),
        Preset("A hundred samples?", {"samples": MOST_SAMPLES}),
    )
    play: ClassVar = Play("batch", label="Batch size b")

    def check(self, state: BestTenState) -> None:
        """Raises ValueError where an image is asked about that is not there."""
        if not -1 <= state.asked < IMAGES:
            raise ValueError(f"asked: expected an image from 0 to {IMAGES - 1}, or -1 for none, got {state.asked}")

    def compute(self, state: BestTenState) -> Scene:
        """The pool twice, with the picks of either strategy, and the information of both batches against log K."""
        found = {name: batch.first(state.batch) for name, batch in batches(state.samples, state.copies).items()}
        told = " and ".join(f"{batch.images_in_words} of {name}" for name, batch in found.items())
        alt = f"{IMAGES} digits drawn twice with numbered picks, {told}, and their joint information against log K"
        grids = [
            _picture(state, name, batch, left) for (name, batch), left in zip(found.items(), (0, 0.32), strict=True)
        ]
        return scene(
            *grids, _information(state, found), alt=alt, status=_sentence(state, found), width=1020, height=490
        )

    def on_click(self, state: BestTenState, event: Event) -> BestTenState:
        """Asks about an image; a second click lets go of it."""
        if event.point is None:
            return state
        image = event.point % IMAGES
        return replace(state, asked=-1 if image == state.asked else image)


def _places() -> tuple[np.ndarray, np.ndarray]:
    """The middles of the images' cells."""
    index_N = np.arange(IMAGES)
    return index_N % COLUMNS + 0.5, index_N // COLUMNS + 0.5


def _picture(state: BestTenState, name: str, batch: Batch, left: float) -> Panel:
    """The pool as cards. A filled mark is the first pick of an image, a hollow one a further copy of it."""
    x_N, y_N = _places()
    offset = IMAGES * (name == "BatchBALD")
    names = [f"image {place + 1}, {batch.picks.count(place)} times in the batch of {name}" for place in range(IMAGES)]
    cards = (x_N - 0.46, x_N + 0.46, y_N - 0.46, y_N + 0.46)
    layers = [
        rects(*cards, colour="#ffffff", ids=range(offset, offset + IMAGES), names=names),
        line(x_N[:, None] + SQUARE[0], y_N[:, None] + SQUARE[1], colour="#c4c9cf", width=1),
        images(pool()[0], x=x_N, y=y_N - 0.12, width=0.6, height=0.6),
        text(x_N - 0.36, y_N - 0.33, [str(place + 1) for place in range(IMAGES)], colour="grey"),
        *_frame(state.asked),
        *_marks(batch, name),
    ]
    title = f"{name}: {batch.images_in_words}"
    edges = {"x": (0, COLUMNS), "y": (IMAGES // COLUMNS, 0), "x_ticks": (), "y_ticks": ()}
    return panel(*layers, **edges, box=(left, 0, 0.32, 1), title=title, equal=True)


def _frame(asked: int) -> list[Layer]:
    """A frame around the image that is asked about."""
    if asked < 0:
        return []
    x_N, y_N = _places()
    return [line(x_N[asked] + SQUARE[0], y_N[asked] + SQUARE[1], colour="black", width=2.5, dash="dashed")]


def _marks(batch: Batch, name: str) -> list[Layer]:
    """The ranks of the picks, side by side below their image."""
    x_N, y_N = _places()
    shape, colour = BADGES[name], for_words(look_of(name).colour)
    layers, seen = [], {}
    for rank, place in enumerate(batch.picks, start=1):
        again = seen.get(place, 0)
        seen[place] = again + 1
        apart = 0.68 / max(2, batch.picks.count(place) - 1)  # as far as the card has room, so that ranks can be read
        at = ([x_N[place] - 0.34 + apart * again], [y_N[place] + 0.31])
        layers.append(points(*at, shape=shape, colour=colour, size=22, filled=again == 0))
        layers.append(text(*at, str(rank), colour=colour if again else "#ffffff", bold=True, halo=False))
    return layers


def _information(state: BestTenState, found: dict[str, Batch]) -> Panel:
    """Joint information after each pick, the sum of BALD's scores, and the line that no batch can cross."""
    most = math.log(state.samples)
    top = 1.45 * most
    scores = np.array(_bald_of(state.samples))[list(found["BALD"].picks)]
    sums = np.concatenate([[0.0], scores.cumsum()])
    sums = np.where(sums <= top, sums, np.nan)
    at = np.arange(state.batch + 1)
    layers = [
        line([0, MOST + 0.5], [most, most], colour="black", dash="dashed", width=1.5, label="log K"),
        line(at, sums, colour="grey", dash="dotted", width=2.5, label="sum of BALD's scores"),
    ]
    for name, batch in found.items():
        layers.append(line(at, batch.growth, **line_style(look_of(name))))
        layers.append(points(at[1:], batch.growth[1:], size=13, label=name, **mark_style(look_of(name))))
    words = {
        "title": "What the labels tell together",
        "x_label": "labels in the batch",
        "y_label": "information (nats)",
    }
    axes = {"x": (0, MOST + 0.5), "y": (0, 1.9 * most)}  # room for the legend above the curves
    return panel(*layers, **axes, **words, box=(0.64, 0, 0.36, 1), legend="top left")


def _sentence(state: BestTenState, found: dict[str, Batch]) -> str:
    """What the two batches hold, in numbers."""
    bald, batchbald = found["BALD"], found["BatchBALD"]
    most = math.log(state.samples)
    if sorted(bald.picks) == sorted(batchbald.picks):
        parts = [f"Both chose the same, worth {batchbald.worth:.2f} nats."]
    else:
        parts = [
            f"BALD's {state.batch} hold {_counted(bald)} and {bald.worth:.2f} nats, BatchBALD's {_counted(batchbald)} and "
            f"{batchbald.worth:.2f}."
        ]
    if most - batchbald.worth < NEARLY:
        parts.append(f"That is nearly all that {state.samples} samples can tell apart: log K = {most:.2f}.")
    if state.asked >= 0:
        score = _bald_of(state.samples)[state.asked]
        parts.append(f"Image {state.asked + 1} alone would tell {score:.2f}; {_gain_words(state, batchbald)}.")
    return " ".join(parts)


def _counted(batch: Batch) -> str:
    """How many images and how many of them more than once."""
    copies = len(batch.picks) - batch.different
    return batch.images_in_words + (f", {copies} cop{'y' if copies == 1 else 'ies'}" if copies else "")


def _gain_words(state: BestTenState, batch: Batch) -> str:
    """What a further copy of the image asked about would add to BatchBALD's batch."""
    log_probs_N_K_C = pool()[1][:, : state.samples]
    known, generator = Configurations.before_any_label(state.samples, log_probs_N_K_C.device), stream(0, "best ten")
    for place in batch.picks:
        known = known.observe(log_probs_N_K_C[place], KEPT, generator)
    gain = known.gains(log_probs_N_K_C[state.asked][None], torch.float64).item()
    return f"a copy of it after BatchBALD's {state.batch} only {max(gain, 0.0):.2f}"
