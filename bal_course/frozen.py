"""Frozen features with a Bayesian last layer: a softmax regression whose posterior is a Gaussian, found anew in milliseconds.

Dimensions: N inputs, L of them labelled, D features, C classes, K samples; w = C D weights.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

NEWTON_STEPS, HALVINGS, SMALL = 30, 20, 1e-10


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The Laplace approximation of the posterior over the weights of a softmax regression, all C D of them together.

    `mean_C_D` are the most probable weights, `factor_w_w` the lower Cholesky factor of the precision there.
    """

    mean_C_D: Tensor
    factor_w_w: Tensor

    def sample_log_probs(self, features_N_D: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """log_probs_N_K_C under weights drawn from the posterior."""
        noise_w_K = torch.randn(len(self.factor_w_w), num_samples, generator=generator, dtype=features_N_D.dtype)
        shift_w_K = torch.linalg.solve_triangular(self.factor_w_w.mT, noise_w_K, upper=True)
        weights_K_C_D = self.mean_C_D + shift_w_K.mT.unflatten(1, self.mean_C_D.shape)
        return torch.einsum("nd,kcd->nkc", features_N_D, weights_K_C_D).log_softmax(dim=-1)


def fit_last_layer(
    features_L_D: Tensor, labels_L: Tensor, num_classes: int, *, prior_std: float = 1.0, start: Tensor | None = None
) -> LastLayer:
    """The most probable weights by Newton's method, and the curvature there; the prior of each weight is N(0, prior_std²).

    With `start`, weights of an earlier round, it takes a step or two. Raises ValueError where features and labels do not fit
    together, or `prior_std` is not positive.
    """
    if features_L_D.ndim != 2 or len(features_L_D) != len(labels_L):
        raise ValueError(
            f"features_L_D: expected a row for each of {len(labels_L)} labels, got {tuple(features_L_D.shape)}"
        )
    if not prior_std > 0:
        raise ValueError(f"prior_std: expected a positive number, got {prior_std}")
    weights = torch.zeros(num_classes, features_L_D.shape[1], dtype=features_L_D.dtype) if start is None else start
    truth_L_C = torch.nn.functional.one_hot(labels_L, num_classes).to(features_L_D.dtype)

    def height(weights_C_D: Tensor) -> Tensor:
        fit = (truth_L_C * (features_L_D @ weights_C_D.mT).log_softmax(dim=1)).sum()
        return fit - (weights_C_D**2).sum() / (2 * prior_std**2)

    for _ in range(NEWTON_STEPS):
        slope_C_D, factor_w_w = _slope_and_curvature(features_L_D, truth_L_C, weights, prior_std)
        step_C_D = torch.cholesky_solve(slope_C_D.reshape(-1, 1), factor_w_w).view_as(weights)
        if (slope_C_D * step_C_D).sum() < SMALL:
            break
        sizes = (0.5**halvings for halvings in range(HALVINGS))
        size = next((size for size in sizes if height(weights + size * step_C_D) >= height(weights)), 0.0)
        weights = weights + size * step_C_D
    return LastLayer(weights, factor_w_w)


def slice_samples(
    features_L_D: Tensor,
    labels_L: Tensor,
    num_classes: int,
    num_samples: int,
    *,
    prior_std: float = 1.0,
    between: int = 20,
    generator: Generator | None = None,
) -> Tensor:
    """Weights_K_C_D from the posterior itself, to judge the approximation by: a chain of elliptical slice sampling.

    It begins at the prior, forgets a hundred draws, and keeps a draw every `between` steps (Murray, Adams and MacKay 2010,
    arXiv:1001.0175).
    """
    place_L = torch.arange(len(labels_L))

    def fit(weights_C_D: Tensor) -> Tensor:
        return (features_L_D @ weights_C_D.mT).log_softmax(dim=1)[place_L, labels_L].sum()

    def from_prior() -> Tensor:
        return prior_std * torch.randn(num_classes, features_L_D.shape[1], generator=generator, dtype=torch.float64)

    def uniform() -> float:
        return torch.rand((), generator=generator, dtype=torch.float64).item()

    weights, kept = from_prior(), []
    for step in range(between * (100 + num_samples)):
        other, floor, angle = from_prior(), fit(weights) + math.log(uniform()), 2 * math.pi * uniform()
        low, high = angle - 2 * math.pi, angle
        while fit(turned := weights * math.cos(angle) + other * math.sin(angle)) <= floor:
            low, high = (angle, high) if angle < 0 else (low, angle)
            angle = low + (high - low) * uniform()
        weights = turned
        if step >= between * 100 and step % between == 0:
            kept.append(weights)
    return torch.stack(kept)


def _slope_and_curvature(
    features_L_D: Tensor, truth_L_C: Tensor, weights_C_D: Tensor, prior_std: float
) -> tuple[Tensor, Tensor]:
    """The gradient of the log posterior, and the Cholesky factor of its negative Hessian."""
    probs_L_C = (features_L_D @ weights_C_D.mT).softmax(dim=1)
    slope_C_D = (truth_L_C - probs_L_C).mT @ features_L_D - weights_C_D / prior_std**2
    spread_L_C_C = torch.diag_embed(probs_L_C) - probs_L_C[:, :, None] * probs_L_C[:, None]
    weighted_L_C_C_D = torch.einsum("ncd,nf->ncdf", spread_L_C_C, features_L_D)
    curvature = torch.einsum("ncdf,ng->cfdg", weighted_L_C_C_D, features_L_D).reshape(2 * (weights_C_D.numel(),))
    return slope_C_D, torch.linalg.cholesky(curvature + torch.eye(len(curvature)).to(curvature) / prior_std**2)


def principal_features(images_N: Tensor, others_N: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first principal components of images, found without labels, and a constant: features [N, size + 1] of both.

    The components of `images_N` have a squared length of 1 on average.
    """
    pixels, others = (images.double().flatten(1) for images in (images_N, others_N))
    if not 1 <= size <= min(pixels.shape):
        raise ValueError(f"size: expected from 1 to {min(pixels.shape)}, got {size}")
    centre_D = pixels.mean(dim=0)
    directions = torch.linalg.svd(pixels - centre_D, full_matrices=False).Vh[:size].mT
    components = (pixels - centre_D) @ directions
    scale = (components**2).sum(dim=1).mean().sqrt()
    made = (components / scale, (others - centre_D) @ directions / scale)
    return tuple(torch.cat([part, torch.ones(len(part), 1).double()], dim=1) for part in made)
