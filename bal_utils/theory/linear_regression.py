"""Bayesian linear regression in closed form: y = w·φ(x) + ε with w ~ N(0, I/α) and ε ~ N(0, 1/β).

Precisions are inverse variances: α is `prior_precision`, β is `noise_precision`. Everything is NumPy in float64.
Dimensions: N inputs, D features (basis functions, one weight each), K draws of the weights.
Bishop 2006, Pattern Recognition and Machine Learning, sections 3.3 and 3.5; MacKay 1992, Bayesian Interpolation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from bal_utils.checks import check_number, check_whole

Basis = Callable[..., ndarray]


def polynomial(inputs_N: Any, num_features: int, *, low: float = -1.0, high: float = 1.0) -> ndarray:
    """Powers 1, u, u², … of u, the input moved and stretched so that `low` and `high` become -1 and 1.

    Returns features_N_D with D = `num_features`. Raises ValueError where D is below 1 or `low` is not below `high`.
    """
    inputs_N = _checked_inputs(inputs_N, num_features, low, high)
    scaled_N = (2 * inputs_N - low - high) / (high - low)
    return scaled_N[:, None] ** np.arange(num_features)


def gaussian_bumps(inputs_N: Any, num_features: int, *, low: float = -1.0, high: float = 1.0) -> ndarray:
    """A constant 1, then D - 1 bumps exp(-(x - c)²/(2s²)), their centres c spread evenly from `low` to `high`.

    The width s = (high - low)/(D - 1) is about the distance between neighbours; a single bump stands in the middle.
    Returns features_N_D with D = `num_features`. Raises ValueError where D is below 1 or `low` is not below `high`.
    """
    inputs_N = _checked_inputs(inputs_N, num_features, low, high)
    num_bumps = num_features - 1
    centres = np.linspace(low, high, num_bumps) if num_bumps > 1 else np.full(num_bumps, (low + high) / 2)
    width = (high - low) / max(num_bumps, 1)
    bumps = np.exp(-0.5 * ((inputs_N[:, None] - centres) / width) ** 2)
    return np.hstack([np.ones((len(inputs_N), 1)), bumps])


BASES: dict[str, Basis] = {"polynomial": polynomial, "bumps": gaussian_bumps}


def maximum_likelihood(features_N_D: Any, targets_N: Any) -> ndarray:
    """The weights under which the targets are most probable: argmin |y - Φw|² (least squares).

    Where several weights fit equally well, the shortest of them. Returns weights_D.
    """
    features_N_D, targets_N = _checked_data(features_N_D, targets_N)
    return np.linalg.lstsq(features_N_D, targets_N)[0]


def maximum_a_posteriori(
    features_N_D: Any, targets_N: Any, *, prior_precision: float, noise_precision: float
) -> ndarray:
    """The most probable weights given the targets: argmin |y - Φw|² + λ|w|² with λ = α/β (ridge regression).

    Returns weights_D. Raises ValueError where a precision is not positive.
    """
    features_N_D, targets_N = _checked_data(features_N_D, targets_N)
    check_number("prior_precision", prior_precision, above=0)
    check_number("noise_precision", noise_precision, above=0)
    ridge_D_D = prior_precision / noise_precision * np.eye(features_N_D.shape[1])
    return np.linalg.solve(features_N_D.T @ features_N_D + ridge_D_D, features_N_D.T @ targets_N)


@dataclass(frozen=True, kw_only=True)
class Belief:
    """What is known about the weights: a normal distribution N(mean_D, covariance_D_D)."""

    mean_D: ndarray
    covariance_D_D: ndarray

    def draw(self, num_draws: int, generator: torch.Generator) -> ndarray:
        """weights_K_D, independent draws."""
        normal_K_D = torch.randn(num_draws, len(self.mean_D), generator=generator, dtype=torch.float64).numpy()
        return self.mean_D + normal_K_D @ np.linalg.cholesky(self.covariance_D_D).T


def prior(num_features: int, *, prior_precision: float) -> Belief:
    """The belief before any data: N(0, I/α). Raises ValueError where α is not positive."""
    check_number("prior_precision", prior_precision, above=0)
    return Belief(mean_D=np.zeros(num_features), covariance_D_D=np.eye(num_features) / prior_precision)


def update(belief: Belief, features_N_D: Any, targets_N: Any, *, noise_precision: float) -> Belief:
    """The belief after some more data, be it none, one point or all of them.

    S'⁻¹ = S⁻¹ + β ΦᵀΦ,   m' = S' (S⁻¹ m + β Φᵀy)                              (Bishop 2006, eqs. 3.50, 3.51)
    """
    features_N_D, targets_N = _checked_data(features_N_D, targets_N)
    check_number("noise_precision", noise_precision, above=0)
    old_precision_D_D = np.linalg.inv(belief.covariance_D_D)
    precision_D_D = old_precision_D_D + noise_precision * features_N_D.T @ features_N_D
    pull_D = old_precision_D_D @ belief.mean_D + noise_precision * features_N_D.T @ targets_N
    covariance_D_D = np.linalg.inv(precision_D_D)
    return Belief(mean_D=np.linalg.solve(precision_D_D, pull_D), covariance_D_D=(covariance_D_D + covariance_D_D.T) / 2)


def posterior(features_N_D: Any, targets_N: Any, *, prior_precision: float, noise_precision: float) -> Belief:
    """The belief after all data, from the prior N(0, I/α): S = (αI + β ΦᵀΦ)⁻¹, m = β S Φᵀy (Bishop 2006, eqs. 3.53, 3.54)."""
    before = prior(np.shape(features_N_D)[-1], prior_precision=prior_precision)
    return update(before, features_N_D, targets_N, noise_precision=noise_precision)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The normal distribution of a new target at each input: its mean, and the two parts of its variance."""

    mean_N: ndarray
    epistemic_variance_N: ndarray
    noise_variance: float

    @property
    def std_N(self) -> ndarray:
        """The standard deviation of a new target: variances add, standard deviations do not."""
        return np.sqrt(self.epistemic_variance_N + self.noise_variance)


def predict(belief: Belief, features_N_D: Any, *, noise_precision: float) -> Prediction:
    """The posterior predictive N(mᵀφ, φᵀSφ + 1/β) at every row φ of the features (Bishop 2006, eqs. 3.58, 3.59)."""
    check_number("noise_precision", noise_precision, above=0)
    features_N_D = np.asarray(features_N_D, dtype=np.float64)
    return Prediction(
        mean_N=features_N_D @ belief.mean_D,
        epistemic_variance_N=np.einsum("nd,de,ne->n", features_N_D, belief.covariance_D_D, features_N_D),
        noise_variance=1 / noise_precision,
    )


def log_evidence(features_N_D: Any, targets_N: Any, *, prior_precision: float, noise_precision: float) -> float:
    """ln p(y | basis), the log of the likelihood averaged over the prior, in nats.

    ½(D ln α + N ln β - ln|A| - N ln 2π - β|y - Φm|² - α|m|²) with A = αI + β ΦᵀΦ      (Bishop 2006, eq. 3.86)
    """
    features_N_D, targets_N = _checked_data(features_N_D, targets_N)
    alpha, beta = prior_precision, noise_precision
    num_inputs, num_features = features_N_D.shape
    mean_D = maximum_a_posteriori(features_N_D, targets_N, prior_precision=alpha, noise_precision=beta)
    log_det = np.linalg.slogdet(alpha * np.eye(num_features) + beta * features_N_D.T @ features_N_D).logabsdet
    misfit = beta * np.sum((targets_N - features_N_D @ mean_D) ** 2) + alpha * np.sum(mean_D**2)
    constants = num_features * math.log(alpha) + num_inputs * (math.log(beta) - math.log(2 * math.pi))
    return float(0.5 * (constants - log_det - misfit))


def _checked_inputs(inputs_N: Any, num_features: int, low: float, high: float) -> ndarray:
    inputs_N = np.asarray(inputs_N, dtype=np.float64)
    if inputs_N.ndim != 1:
        raise ValueError(f"inputs_N: expected one dimension, got shape {inputs_N.shape}")
    check_whole("num_features", num_features, at_least=1)
    if not low < high:
        raise ValueError(f"low, high: expected low < high, got {low!r} and {high!r}")
    return inputs_N


def _checked_data(features_N_D: Any, targets_N: Any) -> tuple[ndarray, ndarray]:
    features_N_D, targets_N = np.asarray(features_N_D, dtype=np.float64), np.asarray(targets_N, dtype=np.float64)
    if features_N_D.ndim != 2 or targets_N.shape != features_N_D.shape[:1]:
        raise ValueError(
            f"features_N_D, targets_N: expected shapes (N, D) and (N,), got {features_N_D.shape} and {targets_N.shape}"
        )
    for name, values in (("features_N_D", features_N_D), ("targets_N", targets_N)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return features_N_D, targets_N
