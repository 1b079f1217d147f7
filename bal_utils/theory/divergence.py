"""How far one distribution is from another: the Kullback-Leibler divergence, in nats.

KL(q || p) = E_q[log q(w) - log p(w)]: the average of a log ratio over draws from the FIRST argument. It is zero only where
the two are equal, and it is no distance: KL(q || p) and KL(p || q) differ. It is infinite where q has mass and p has none.
Dimensions: D coordinates, K draws; leading dimensions broadcast.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from bal_utils.checks import check_finite, check_floats


def diagonal_gaussian_kl(mean_q_D: Tensor, std_q_D: Tensor, mean_p_D: Tensor, std_p_D: Tensor) -> Tensor:
    """KL(q || p) between Gaussians whose coordinates are independent.

    sum_d  log(s_p / s_q) + (s_q² + (m_q - m_p)²) / (2 s_p²) - 1/2               (arXiv:1312.6114, appendix B, for p = N(0, I))

    The s are standard deviations. Raises ValueError where one of them is not positive.
    """
    check_finite("mean_q_D", mean_q_D)
    check_finite("mean_p_D", mean_p_D)
    for name, std_D in (("std_q_D", std_q_D), ("std_p_D", std_p_D)):
        check_floats(name, std_D)
        if not (std_D > 0).all():
            raise ValueError(f"{name}: expected standard deviations above 0, got {std_D.min().item():g}")
    squares_D = (std_q_D.square() + (mean_q_D - mean_p_D).square()) / std_p_D.square()
    return ((std_p_D / std_q_D).log() + (squares_D - 1) / 2).sum(dim=-1)


def gaussian_kl(mean_q_D: Tensor, covariance_q_D_D: Tensor, mean_p_D: Tensor, covariance_p_D_D: Tensor) -> Tensor:
    """KL(q || p) between Gaussians with full covariance matrices.

    ½ ( tr(S_p⁻¹ S_q) + (m_p - m_q)ᵀ S_p⁻¹ (m_p - m_q) - D + log|S_p| - log|S_q| )

    Raises ValueError where a covariance is not symmetric and positive definite.
    """
    check_finite("mean_q_D", mean_q_D)
    check_finite("mean_p_D", mean_p_D)
    scale_q_D_D = _cholesky("covariance_q_D_D", covariance_q_D_D)
    scale_p_D_D = _cholesky("covariance_p_D_D", covariance_p_D_D)
    spread_D_D = torch.linalg.solve_triangular(scale_p_D_D, scale_q_D_D, upper=False)
    shift_D_1 = torch.linalg.solve_triangular(scale_p_D_D, (mean_q_D - mean_p_D)[..., None], upper=False)
    squares = spread_D_D.square().sum(dim=(-2, -1)) + shift_D_1.square().sum(dim=(-2, -1)) - mean_q_D.shape[-1]
    return squares / 2 + _half_log_det(scale_p_D_D) - _half_log_det(scale_q_D_D)


def _cholesky(name: str, covariance_D_D: Tensor) -> Tensor:
    """The lower-triangular L with L Lᵀ = covariance; ValueError where there is none."""
    check_finite(name, covariance_D_D)
    scale_D_D, failed = torch.linalg.cholesky_ex(covariance_D_D)
    if failed.any() or not torch.allclose(covariance_D_D, covariance_D_D.mT):
        raise ValueError(f"{name}: expected a symmetric positive definite matrix, got {covariance_D_D.tolist()}")
    return scale_D_D


def _half_log_det(scale_D_D: Tensor) -> Tensor:
    """½ log|L Lᵀ| of a lower-triangular L."""
    return scale_D_D.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)


class Estimate(NamedTuple):
    """An average over random draws, and the standard error of that average."""

    value: Tensor
    standard_error: Tensor


def monte_carlo_kl(log_q_K: Tensor, log_p_K: Tensor) -> Estimate:
    """KL(q || p) estimated from both log densities at K independent draws from q: the mean of log q - log p.

    Works for any two densities that can be evaluated. One draw where p has no mass (log p = -inf) makes the estimate
    infinite and its standard error NaN; that none was drawn does not prove the divergence finite.

    Raises ValueError where there are fewer than two draws, or where q has no mass at one of them.
    """
    check_floats("log_q_K", log_q_K)
    check_floats("log_p_K", log_p_K)
    if log_q_K.shape != log_p_K.shape or log_q_K.ndim != 1 or len(log_q_K) < 2:
        shapes = f"{tuple(log_q_K.shape)} and {tuple(log_p_K.shape)}"
        raise ValueError(f"log_q_K, log_p_K: expected two vectors of one length K >= 2, got shapes {shapes}")
    if not log_q_K.isfinite().all():
        raise ValueError("log_q_K: expected finite log densities at draws from q, got one that is not")
    log_ratio_K = log_q_K - log_p_K
    return Estimate(log_ratio_K.mean(), log_ratio_K.std() / math.sqrt(len(log_ratio_K)))
