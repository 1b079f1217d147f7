"""Regression with Monte Carlo dropout, as in Gal & Ghahramani 2016 (arXiv:1506.02142, section 5.3 and its code).

A small ReLU network with dropout before each of its matrices. Inputs and targets are standardised inside by the training
data's own mean and standard deviation; whatever comes out, and every noise, is in the units of the given targets.
Dimensions: N points, D columns, T passes, P networks trained side by side; n points of a batch or a piece.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bal_utils.posteriors.masked.passes import check_samples, evaluate
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp

PIECE = 2**23  # numbers f_t(x) in memory at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Means and standard deviations of the training data; a constant column counts as having standard deviation 1."""

    input_mean_D: Tensor
    input_std_D: Tensor
    target_mean: float
    target_std: float

    @classmethod
    def of(cls, inputs_N_D: Tensor, targets_N: Tensor) -> "Scale":
        """The scale of some training data."""
        (mean_D, std_D), (mean, std) = moments_of(inputs_N_D), moments_of(targets_N)
        return cls(input_mean_D=mean_D, input_std_D=std_D, target_mean=mean.item(), target_std=std.item())

    def inputs(self, inputs_N_D: Tensor) -> Tensor:
        """Standardised inputs, float32."""
        return ((inputs_N_D - self.input_mean_D) / self.input_std_D).float()

    def targets(self, targets_N: Tensor) -> Tensor:
        """Standardised targets, float32."""
        return ((targets_N - self.target_mean) / self.target_std).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class DropoutRegression:
    """A trained network f with its dropout probability and the noise of the targets around it, τ = 1 / noise_std²."""

    model: nn.Sequential  # standardised in, standardised out
    scale: Scale
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
            outputs_N_1 = self.model(self.scale.inputs(self._inputs(inputs)))
        return outputs_N_1[:, 0].double() * self.scale.target_std + self.scale.target_mean

    def _passes(self, inputs: Any, num_samples: int, generator: Generator | None, reduce_outputs: Any) -> Tensor:
        def in_units(outputs_n_T_1: Tensor) -> Tensor:
            return reduce_outputs(outputs_n_T_1[..., 0].double() * self.scale.target_std + self.scale.target_mean)

        return evaluate(self.model, self.scale.inputs(self._inputs(inputs)), num_samples, in_units, generator, False)

    def _inputs(self, inputs: Any) -> Tensor:
        inputs_N_D, num_columns = _numbers("inputs", inputs, 2), len(self.scale.input_mean_D)
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
    inputs_N_D, targets_N = check_pairs(inputs, targets)
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
    inputs_N_D, targets_N = check_pairs(inputs, targets)
    mean_N, _ = regression.predict(inputs_N_D, num_samples, generator=generator)
    return (targets_N - mean_N).square().mean().sqrt().item()


def log_likelihood(outputs_N_T: Tensor, targets_N: Tensor, noise_std: float) -> Tensor:
    """log 1/T Σ_t N(y; f_t, noise_std²) for each point, in nats: the mean is taken inside the logarithm."""
    errors_N_T = (targets_N[:, None] - outputs_N_T) / noise_std
    return log_mean_exp(-0.5 * errors_N_T.square(), dim=1) - math.log(noise_std * math.sqrt(2 * math.pi))


def moments_of(values_N: Tensor) -> tuple[Tensor, Tensor]:
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


def check_pairs(inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    inputs_N_D, targets_N = _numbers("inputs", inputs, 2), _numbers("targets", targets, 1)
    if len(inputs_N_D) != len(targets_N):
        raise ValueError(f"targets: expected one for each of {len(inputs_N_D)} inputs, got {len(targets_N)}")
    return inputs_N_D, targets_N
