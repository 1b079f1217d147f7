"""What happens between two questions: train on the labels so far, let BALD choose; and what random asking would give."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_scenes.base import stage
from bal_utils.acquisition import bald_scores
from bal_utils.data import ImageData, balanced_start, standardise
from bal_utils.models import MLP
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream, stream_seed
from bal_utils.theory import metrics
from bal_utils.theory.information import log_mean_exp
from bal_utils.training.fit import FitConfig, fit, initialised

TRAINING = FitConfig(learning_rate=3e-3, epoch_samples=512, max_epochs=8)  # 64 steps: nothing is held back to stop on
SAMPLES = 20
SEED = 0
RANDOM_RUNS = 3


class Round(NamedTuple):
    """A trained model: how good it is, what it asks next (None where nothing is left), and what it thinks of that."""

    accuracy: float
    image: int | None
    probs_C: np.ndarray


def first_labels(data: ImageData) -> list[int]:
    """One example of each class, known from the start."""
    return balanced_start(data.train_labels, 1, stream(SEED, "oracle's start")).tolist()


def train_on(data: ImageData, known: list[int], labels: Tensor, number: int) -> nn.Module:
    """A small network from new weights."""
    width = data.train_images[0].numel()
    model = initialised(lambda: MLP(width, data.num_classes, hidden=(256,)), stream_seed(SEED, "oracle", number))
    inputs = standardise(data.train_images[known])
    fit(model, inputs, labels, config=TRAINING, seed=stream_seed(SEED, "oracle", number))
    return model


def accuracy_of(data: ImageData, model: nn.Module) -> float:
    """The share of test images that the averaged network names rightly."""
    generator = stream(SEED, "oracle's test")
    log_probs_N_C = log_mean_exp(
        sample_log_probs(model, standardise(data.test_images), SAMPLES, generator=generator), 1
    )
    return metrics.accuracy(log_probs_N_C, data.test_labels)


@stage
def next_round(data: ImageData, given: tuple[tuple[int, int | None], ...]) -> Round:
    """Trains on the first labels and those given, and lets BALD choose among the images that nobody was asked about."""
    start = first_labels(data)
    told = [(image, label) for image, label in given if label is not None]
    labels = torch.tensor([*data.train_labels[start].tolist(), *[label for _, label in told]])
    model = train_on(data, [*start, *[image for image, _ in told]], labels, len(given))
    seen = {*start, *[image for image, _ in given]}
    pool = [image for image in range(len(data.train_labels)) if image not in seen]
    accuracy = accuracy_of(data, model)
    if not pool:
        return Round(accuracy, None, np.zeros(data.num_classes))
    masks = stream(SEED, "oracle's masks", len(given))
    log_probs_N_K_C = sample_log_probs(model, standardise(data.train_images[pool]), SAMPLES, generator=masks)
    best = int(bald_scores(log_probs_N_K_C).argmax())
    return Round(accuracy, pool[best], log_probs_N_K_C[best].exp().mean(dim=0).numpy())


@stage
def random_curves(data: ImageData, most: int) -> tuple[np.ndarray, np.ndarray]:
    """What as many random images with their true labels give: counts_M, accuracies_R_M."""
    counts_M = np.unique(np.linspace(0, most, min(6, most + 1)).round().astype(int))
    start, curves = first_labels(data), []
    for run in range(RANDOM_RUNS):
        order = torch.randperm(len(data.train_labels), generator=stream(SEED, "random oracle", run)).tolist()
        order = [*start, *[image for image in order if image not in start]]
        sets = [order[: len(start) + count] for count in counts_M]
        models = [train_on(data, known, data.train_labels[known], run) for known in sets]
        curves.append([accuracy_of(data, model) for model in models])
    return counts_M, np.array(curves)


def ink(data: ImageData, places: list[int], *, side: int = 0) -> np.ndarray:
    """Training images as ink in [0, 1], [N, H, W]; smaller ones are drawn out to `side` pixels, which the eye reads better."""
    pixels = data.train_images[places].float()
    low, high = (0, 255) if data.train_images.dtype == torch.uint8 else (pixels.min(), pixels.max())
    pixels = (pixels - low) / max(high - low, 1e-9)
    if min(pixels.shape[2:]) < side:
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic")
    return pixels[:, 0].clamp(0, 1).numpy()
