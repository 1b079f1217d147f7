"""Training for `DropoutRegression`: a network, and by a held-out fifth its dropout and its noise (arXiv:1506.02142).

Dimensions: N points, D columns, T passes; n points held out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.posteriors.dropout_regression import (
    DropoutRegression,
    Scale,
    check_pairs,
    log_likelihood,
    moments_of,
)
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig
from bal_utils.training.stacked import train_side_by_side

DROPOUT_GRID = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
NOISE_GRID = tuple(np.geomspace(0.01, 2, 40).tolist())  # in standard deviations of the targets
PROVISIONAL_NOISE = 0.3  # while the noise is searched for it enters the weight decay alone, where it hardly matters
HELD_OUT = 0.2
SEARCH_SAMPLES = 500
EPOCHS, LEAST_STEPS = 400, 4000
LEAST_TO_CHOOSE = 10


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: all that is neither data, dropout nor noise."""

    hidden: tuple[int, ...]
    length_scale: float
    epochs: int | None
    batch_size: int
    learning_rate: float
    seed: int

    def train(
        self, inputs_N_D: Tensor, targets_N: Tensor, dropouts: Sequence[float], noise_std: float
    ) -> list[DropoutRegression]:
        """One regression a dropout probability. The weight decay is λ = l² (1 - p) / (2 N τ), τ for standardised targets."""
        scale, num_points = Scale.of(inputs_N_D, targets_N), len(targets_N)
        variance = (noise_std / scale.target_std) ** 2
        enough = max(EPOCHS, math.ceil(LEAST_STEPS / math.ceil(num_points / self.batch_size)))
        epochs = enough if self.epochs is None else self.epochs
        models = train_side_by_side(
            scale.inputs(inputs_N_D),
            scale.targets(targets_N),
            dropouts,
            hidden=self.hidden,
            weight_decays=[self.length_scale**2 * (1 - p) * variance / (2 * num_points) for p in dropouts],
            config=FitConfig(
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                max_epochs=epochs,
            ),
            seed=self.seed,
        )
        return [
            DropoutRegression(model=model, scale=scale, dropout=p, noise_std=noise_std)
            for p, model in zip(dropouts, models, strict=True)
        ]


def fit_regression(
    inputs: Any,
    targets: Any,
    *,
    hidden: Sequence[int] = (50,),
    dropout: float | None = None,
    noise_std: float | None = None,
    length_scale: float = 1e-2,
    epochs: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> DropoutRegression:
    """A ReLU network with dropout before every matrix, inputs included, trained on inputs [N, D] and targets [N].

    Minimises 1/N Σ ½ (y - f(x))² + λ Σ ‖W‖², with λ = l² (1 - p) / (2 N τ), over standardised data by Adam
    (arXiv:1506.02142, sections 3 and 4; biases are free). `noise_std` = τ^-½ is in units of the targets.

    Where `dropout` or `noise_std` is None, it is chosen from DROPOUT_GRID or NOISE_GRID (times the targets' standard
    deviation) by predictive log-likelihood on a random fifth of the data, after training on the other four; then the
    network is trained anew on all. `epochs` None means EPOCHS, or more for small data: LEAST_STEPS steps at least.
    Arrays, lists or tensors will do. Raises TypeError or ValueError where data or settings make no sense.
    """
    inputs_N_D, targets_N = check_pairs(inputs, targets)
    _check_settings(hidden, dropout, noise_std, length_scale)
    recipe = Recipe(
        hidden=tuple(hidden),
        length_scale=length_scale,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    if dropout is None or noise_std is None:
        dropout, noise_std = _choose(inputs_N_D, targets_N, recipe, dropout, noise_std)
    return recipe.train(inputs_N_D, targets_N, [dropout], noise_std)[0]


def _choose(
    inputs_N_D: Tensor, targets_N: Tensor, recipe: Recipe, dropout: float | None, noise_std: float | None
) -> tuple[float, float]:
    """The dropout and the noise under which a held-out fifth is most probable, after training on the rest."""
    if len(targets_N) < LEAST_TO_CHOOSE:
        raise ValueError(
            f"inputs: expected at least {LEAST_TO_CHOOSE} points to choose dropout and noise by, got {len(targets_N)}; "
            "give `dropout` and `noise_std` instead"
        )
    order_N = torch.randperm(len(targets_N), generator=stream(recipe.seed, "held out"))
    held_out, kept = order_N.tensor_split([round(HELD_OUT * len(order_N))])
    target_std = moments_of(targets_N[kept])[1].item()
    dropouts = DROPOUT_GRID if dropout is None else (dropout,)
    noises = [noise * target_std for noise in NOISE_GRID] if noise_std is None else [noise_std]
    scores = {}
    for candidate in recipe.train(
        inputs_N_D[kept], targets_N[kept], dropouts, noise_std or PROVISIONAL_NOISE * target_std
    ):
        outputs_n_T = candidate.sample_outputs(inputs_N_D[held_out], SEARCH_SAMPLES)
        for noise in noises:
            scores[candidate.dropout, noise] = log_likelihood(outputs_n_T, targets_N[held_out], noise).mean().item()
    return max(scores, key=scores.__getitem__)


def _check_settings(hidden: Sequence[int], dropout: float | None, noise_std: float | None, length_scale: float) -> None:
    for width in hidden:
        check_whole("hidden", width, at_least=1)
    if dropout is not None:
        check_number("dropout", dropout, at_least=0, below=1)
    if noise_std is not None:
        check_number("noise_std", noise_std, above=0)
    check_number("length_scale", length_scale, at_least=0)
