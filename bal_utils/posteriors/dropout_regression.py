"""Regression with Monte Carlo dropout, as in Gal & Ghahramani 2016 (arXiv:1506.02142, section 5.3 and its code).

A small ReLU network with dropout before each of its matrices. Inputs and targets are standardised inside by the training
data's own mean and standard deviation; whatever comes out, and every noise, is in the units of the given targets.
Dimensions: N points, D columns, T passes, P networks trained side by side; n points of a batch, a piece or held out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bal_utils.checks import check_number, check_whole
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.masked.passes import check_samples, evaluate
from bal_utils.runtime import stream, stream_seed
from bal_utils.theory.information import log_mean_exp
from bal_utils.training.fit import FitConfig, global_randomness, initialised
from bal_utils.training.stacked import Weights, stack, train_stack

PIECE = 2**23  # numbers f_t(x) in memory at a time
DROPOUT_GRID = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
NOISE_GRID = tuple(np.geomspace(0.01, 2, 40).tolist())  # in standard deviations of the targets
PROVISIONAL_NOISE = 0.3  # while the noise is searched for it enters the weight decay alone, where it hardly matters
HELD_OUT = 0.2
SEARCH_SAMPLES = 500
# until more training no longer helps predictions: so many steps, at a learning rate that falls from this one to zero
STEPS, FALLING_RATE = 6_000, 1e-2
CONSTANT_RATE = 1e-3  # for a chosen number of epochs, as in the code of arXiv:1506.02142
LEAST_TO_CHOOSE = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Standardiser:
    """Means and standard deviations of the training data; a constant column counts as having standard deviation 1."""

    input_mean_D: Tensor
    input_std_D: Tensor
    target_mean: float
    target_std: float

    @classmethod
    def of(cls, inputs_N_D: Tensor, targets_N: Tensor) -> "Standardiser":
        """That of some training data."""
        (mean_D, std_D), (mean, std) = _moments(inputs_N_D), _moments(targets_N)
        return cls(input_mean_D=mean_D, input_std_D=std_D, target_mean=mean.item(), target_std=std.item())

    def inputs(self, inputs_N_D: Tensor) -> Tensor:
        """Standardised inputs, float32."""
        return ((inputs_N_D - self.input_mean_D) / self.input_std_D).float()

    def targets(self, targets_N: Tensor) -> Tensor:
        """Standardised targets, float32."""
        return ((targets_N - self.target_mean) / self.target_std).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class DropoutRegression(Posterior):
    """A trained network f with its dropout probability and the noise of the targets around it, τ = 1 / noise_std²."""

    model: nn.Sequential  # standardised in, standardised out
    standardiser: Standardiser
    dropout: float
    noise_std: float  # in units of the targets

    @property
    def noise_precision(self) -> float:
        """τ, one over the variance of the noise, in units of the targets to the power -2."""
        return self.noise_std**-2

    def sample_outputs(self, inputs: Any, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """f_t(x) for T dropout masks, each shared by all inputs: outputs_N_T, float64, in units of the targets.

        Raises TypeError or ValueError where inputs are not finite numbers [N, D] or num_samples is not a whole number
        of at least 1, as all that follows here does. Without a generator the masks are those of `stream(0, "masks")`.
        """
        return self._passes(inputs, num_samples, generator, lambda outputs_n_T: outputs_n_T)

    def predict(
        self, inputs: Any, num_samples: int = 1000, *, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean 1/T Σ f_t(x) and variance τ⁻¹ + 1/T Σ f_t(x)² - mean² of a new target (arXiv:1506.02142, section 4).

        Returns mean_N and variance_N, float64, in units of the targets and of their square. The standard deviation is
        the square root of this variance, τ⁻¹ inside.
        """

        def moments(outputs_n_T: Tensor) -> Tensor:
            return torch.stack([outputs_n_T.mean(dim=1), outputs_n_T.var(dim=1, correction=0)], dim=1)

        mean_N, variance_N = self._passes(inputs, num_samples, generator, moments).unbind(dim=1)
        return mean_N, variance_N + self.noise_std**2

    def predict_without_dropout(self, inputs: Any) -> Tensor:
        """The one pass with dropout off: mean_N in units of the targets."""
        with torch.no_grad():
            outputs_N_1 = self.model(self.standardiser.inputs(self._inputs(inputs)))
        return outputs_N_1[:, 0].double() * self.standardiser.target_std + self.standardiser.target_mean

    def _passes(self, inputs: Any, num_samples: int, generator: Generator | None, reduce_outputs: Callable) -> Tensor:
        def in_units(outputs_n_T_1: Tensor) -> Tensor:
            return reduce_outputs(
                outputs_n_T_1[..., 0].double() * self.standardiser.target_std + self.standardiser.target_mean
            )

        return evaluate(
            self.model, self.standardiser.inputs(self._inputs(inputs)), num_samples, in_units, generator, False
        )

    def _inputs(self, inputs: Any) -> Tensor:
        inputs_N_D, num_columns = _numbers("inputs", inputs, 2), len(self.standardiser.input_mean_D)
        if inputs_N_D.shape[1] != num_columns:
            raise ValueError(f"inputs: expected {num_columns} columns, as in training, got {inputs_N_D.shape[1]}")
        return inputs_N_D


def predictive_log_likelihood(
    regression: DropoutRegression,
    inputs: Any,
    targets: Any,
    num_samples: int = 10_000,
    *,
    generator: Generator | None = None,
) -> float:
    """1/N Σ_n log 1/T Σ_t N(y_n; f_t(x_n), τ⁻¹), in nats, in units of the given targets (arXiv:1506.02142, section 4).

    Targets multiplied by c, in training and here, lower it by log c. Works through the points in pieces, with the same
    masks for each, so that memory stays bounded. Raises TypeError or ValueError where data do not fit the regression.
    """
    inputs_N_D, targets_N = _check_pairs(inputs, targets)
    check_samples(num_samples, generator)
    generator = generator or stream(0, "masks")
    masks, total = generator.get_state(), 0.0
    size = max(1, PIECE // num_samples)
    for inputs_n_D, targets_n in zip(inputs_N_D.split(size), targets_N.split(size), strict=True):
        generator.set_state(masks)
        outputs_n_T = regression.sample_outputs(inputs_n_D, num_samples, generator=generator)
        total += log_likelihood(outputs_n_T, targets_n, regression.noise_std).sum().item()
    return total / len(targets_N)


def root_mean_squared_error(
    regression: DropoutRegression,
    inputs: Any,
    targets: Any,
    num_samples: int = 10_000,
    *,
    generator: Generator | None = None,
) -> float:
    """sqrt(1/N Σ (y - 1/T Σ f_t(x))²), the error of the Monte Carlo mean, in units of the targets.

    Raises as `predictive_log_likelihood` does.
    """
    inputs_N_D, targets_N = _check_pairs(inputs, targets)
    mean_N, _ = regression.predict(inputs_N_D, num_samples, generator=generator)
    return (targets_N - mean_N).square().mean().sqrt().item()


def log_likelihood(outputs_N_T: Tensor, targets_N: Tensor, noise_std: float) -> Tensor:
    """log 1/T Σ_t N(y; f_t, noise_std²) for each point, in nats: the mean is taken inside the logarithm."""
    errors_N_T = (targets_N[:, None] - outputs_N_T) / noise_std
    return log_mean_exp(-0.5 * errors_N_T.square(), dim=1) - math.log(noise_std * math.sqrt(2 * math.pi))


def _moments(values_N: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the first dimension; 1 where the spread is none but rounding."""
    mean, std = values_N.mean(dim=0), values_N.std(dim=0, correction=0)
    return mean, torch.where(std > 1e-12 * mean.abs(), std, torch.ones_like(std))


def _numbers(name: str, values: Any, dims: int) -> Tensor:
    """Numbers of any kind as float64 on the CPU."""
    try:
        numbers = torch.as_tensor(values).detach().to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: expected numbers in an array or a tensor, got {type(values).__name__}") from error
    expected = ("one a point, shape (N,)", "a row a point, shape (N, D)")[dims - 1]
    if numbers.dim() != dims or 0 in numbers.shape:
        raise ValueError(f"{name}: expected {expected}, nothing empty, got shape {tuple(numbers.shape)}")
    if not numbers.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return numbers


def _check_pairs(inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    inputs_N_D, targets_N = _numbers("inputs", inputs, 2), _numbers("targets", targets, 1)
    if len(inputs_N_D) != len(targets_N):
        raise ValueError(f"targets: expected one for each of {len(inputs_N_D)} inputs, got {len(targets_N)}")
    return inputs_N_D, targets_N


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
    learning_rate: float | None = None,
    seed: int = 0,
) -> DropoutRegression:
    """A ReLU network with dropout before every matrix, inputs included, trained on inputs [N, D] and targets [N].

    Minimises 1/N Σ ½ (y - f(x))² + λ Σ ‖W‖², with λ = l² / (2 (1 - p) N τ), over standardised data by Adam
    (arXiv:1506.02142, sections 3 and 4; biases are free). λ is the paper's for M = W / (1 - p), because PyTorch divides what
    it keeps by 1 - p (`dropout_elbo.weight_decay`). `noise_std` = τ^-½ is in units of the targets.

    Where `dropout` or `noise_std` is None, it is chosen from DROPOUT_GRID or NOISE_GRID (times the targets' standard
    deviation) by predictive log-likelihood on a random fifth of the data, after training on the other four; then the
    network is trained anew on all.

    With `epochs` None training goes on until more of it no longer helps predictions: STEPS steps, at a learning rate that
    falls from FALLING_RATE to zero in a straight line. For a few hundred points that takes about ten seconds of one core,
    four where dropout and noise are given. Ten times as many steps never raised the log-likelihood of new points by more than
    one standard error, and lowered it in nine of twelve trials: diabetes and Friedman's three functions, three splits each.
    A number of epochs is trained at one rate, by default CONSTANT_RATE.
    Arrays, lists or tensors will do. Raises TypeError or ValueError where data or settings make no sense.
    """
    inputs_N_D, targets_N = _check_pairs(inputs, targets)
    _check_settings(hidden, dropout, noise_std, length_scale)
    if learning_rate is None:
        learning_rate = FALLING_RATE if epochs is None else CONSTANT_RATE
    train = partial(
        _train,
        hidden=hidden,
        length_scale=length_scale,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    if dropout is None or noise_std is None:
        dropout, noise_std = _choose(inputs_N_D, targets_N, train, seed, dropout, noise_std)
    return train(inputs_N_D, targets_N, [dropout], noise_std)[0]


def _choose(
    inputs_N_D: Tensor,
    targets_N: Tensor,
    train: Callable[..., list[DropoutRegression]],
    seed: int,
    dropout: float | None,
    noise_std: float | None,
) -> tuple[float, float]:
    """The dropout and the noise under which a held-out fifth is most probable, after training on the rest."""
    if len(targets_N) < LEAST_TO_CHOOSE:
        raise ValueError(
            f"inputs: expected at least {LEAST_TO_CHOOSE} points to choose dropout and noise by, got {len(targets_N)}; "
            "give `dropout` and `noise_std` instead"
        )
    order_N = torch.randperm(len(targets_N), generator=stream(seed, "held out"))
    held_out, kept = order_N.tensor_split([round(HELD_OUT * len(order_N))])
    target_std = _moments(targets_N[kept])[1].item()
    dropouts = DROPOUT_GRID if dropout is None else (dropout,)
    noises = [noise * target_std for noise in NOISE_GRID] if noise_std is None else [noise_std]
    scores = {}
    for candidate in train(inputs_N_D[kept], targets_N[kept], dropouts, noise_std or PROVISIONAL_NOISE * target_std):
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


def _train(
    inputs_N_D: Tensor,
    targets_N: Tensor,
    dropouts: Sequence[float],
    noise_std: float,
    *,
    hidden: Sequence[int],
    length_scale: float,
    epochs: int | None,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> list[DropoutRegression]:
    """One regression a dropout probability. The weight decay is λ = l² / (2 (1 - p) N τ), τ for standardised targets."""
    standardiser, num_points = Standardiser.of(inputs_N_D, targets_N), len(targets_N)
    variance = (noise_std / standardiser.target_std) ** 2
    enough = math.ceil(STEPS / math.ceil(num_points / batch_size))
    models = train_side_by_side(
        standardiser.inputs(inputs_N_D),
        standardiser.targets(targets_N),
        dropouts,
        hidden=hidden,
        weight_decays=[length_scale**2 * variance / (2 * (1 - p) * num_points) for p in dropouts],
        config=FitConfig(
            learning_rate=learning_rate, batch_size=batch_size, max_epochs=enough if epochs is None else epochs
        ),
        falling=epochs is None,
        seed=seed,
    )
    return [
        DropoutRegression(model=model, standardiser=standardiser, dropout=p, noise_std=noise_std)
        for p, model in zip(dropouts, models, strict=True)
    ]


def dropout_network(num_columns: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """A ReLU network with one output and dropout before every matrix, as in the code of arXiv:1506.02142."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(num_columns, width), nn.ReLU()]
        num_columns = width
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(num_columns, 1))


def train_side_by_side(
    inputs_N_D: Tensor,
    targets_N: Tensor,
    dropouts: Sequence[float],
    *,
    hidden: Sequence[int],
    weight_decays: Sequence[float],
    config: FitConfig,
    seed: int,
    falling: bool = False,
) -> list[nn.Sequential]:
    """One network a dropout probability, all from the same first weights, in evaluation mode.

    Each minimises 1/N Σ ½ (y - f(x))² + λ Σ ‖W‖², λ its weight decay: the decay is part of the loss and spares biases.
    The learning rate stays, or is `falling` as in `train_stack`.
    """
    networks = [initialised(lambda p=p: dropout_network(inputs_N_D.shape[1], hidden, p), seed).eval() for p in dropouts]
    dropout_P, decay_P = torch.tensor(dropouts), torch.tensor(weight_decays)
    weights = {name: part_P.detach().contiguous().requires_grad_() for name, part_P in _turned(stack(networks)).items()}

    def losses(inputs_P_n_D: Tensor, targets_P_n: Tensor) -> Tensor:
        errors_P_n = outputs_with_dropout(weights, dropout_P, inputs_P_n_D) - targets_P_n
        squares_P = sum(matrices_P.square().sum(dim=(1, 2)) for matrices_P in list(weights.values())[::2])
        return 0.5 * errors_P_n.square().mean(dim=1) + decay_P * squares_P

    shared = [part.expand(len(dropouts), *part.shape) for part in (inputs_N_D, targets_N)]
    orders = [stream(seed, "batches") for _ in dropouts]  # the same for all
    with global_randomness(stream_seed(seed, "dropout"), inputs_N_D.device):
        train_stack(weights, losses, shared, config=config, orders=orders, falling=falling)
    for p, network in enumerate(networks):
        network.load_state_dict({name: part_P[p] for name, part_P in _turned(weights).items()})
    return networks


def _turned(weights: Weights) -> Weights:
    """Matrices [P, H, D] as [P, D, H], the way a batched product reads them, or back."""
    return {name: part_P.mT if part_P.dim() == 3 else part_P for name, part_P in weights.items()}


def outputs_with_dropout(weights: Weights, dropout_P: Tensor, hidden_P_n_D: Tensor) -> Tensor:
    """outputs_P_n of P networks of `dropout_network`, weights `_turned`, each dropping units at its own rate."""
    layers, dropout_P_1_1 = list(weights.values()), dropout_P[:, None, None]
    for depth, (weight_P_D_H, bias_P_H) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        hidden_P_n_D = hidden_P_n_D.relu() if depth else hidden_P_n_D
        mask_P_n_D = (torch.rand(hidden_P_n_D.shape) >= dropout_P_1_1) / (1 - dropout_P_1_1)
        hidden_P_n_D = torch.baddbmm(bias_P_H[:, None], hidden_P_n_D * mask_P_n_D, weight_P_D_H)
    return hidden_P_n_D[..., 0]
