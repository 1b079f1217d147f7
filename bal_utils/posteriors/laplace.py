"""Laplace's approximation: a Gaussian at the peak of a posterior, as wide as the curvature there says."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.functional import hessian, jacobian

from bal_utils.posteriors.nuts import check_start

SEARCH_STEPS, NEWTON_STEPS = 500, 20


def fit_laplace(log_density: Callable[[Tensor], Tensor], start_D: Tensor) -> tuple[Tensor, Tensor]:
    """The Gaussian N(m, (-H)⁻¹) with m the maximum of the log density and H its Hessian there (Bishop 2006, section 4.4).

    `log_density` maps every vector [D] to a finite scalar, twice differentiably; constants do not matter. L-BFGS climbs,
    Newton's method finishes. The Hessian is dense, so D should stay below a few hundred; use float64. Returns mean_D and
    covariance_D_D. Of several maxima it finds the one uphill of `start_D`.

    Raises ValueError where the start is unfit, or where no maximum is found: the density keeps rising or is flat.
    """
    check_start(log_density, start_D)
    point_D = finish(log_density, climb(log_density, start_D))
    precision_D_D = -hessian(log_density, point_D)
    factor_D_D, failed = torch.linalg.cholesky_ex(precision_D_D)
    if failed or not point_D.isfinite().all():
        raise ValueError("log_density: expected a maximum with curvature on every side, found none near the start")
    gradient_D = jacobian(log_density, point_D)
    last_step = torch.cholesky_solve(gradient_D[:, None], factor_D_D).norm()
    # where there is no maximum, Newton's steps stay long; at one, they shrink to rounding error
    if not last_step <= torch.finfo(start_D.dtype).eps ** 0.25 * (1 + point_D.norm()):
        raise ValueError(
            f"log_density: no maximum found; the next step from {point_D.tolist()} is {last_step:.2g} long"
        )
    return point_D, torch.cholesky_inverse(factor_D_D)


def climb(log_density: Callable[[Tensor], Tensor], start_D: Tensor) -> Tensor:
    """Follows L-BFGS uphill from the start."""
    point_D = start_D.detach().clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [point_D], max_iter=SEARCH_STEPS, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = -log_density(point_D)
        value.backward()
        return value

    optimiser.step(loss)
    return point_D.detach()


def finish(log_density: Callable[[Tensor], Tensor], point_D: Tensor) -> Tensor:
    """Newton's steps from a point close to a maximum, as long as they gain."""
    for _ in range(NEWTON_STEPS):
        precision_D_D = -hessian(log_density, point_D)
        factor_D_D, failed = torch.linalg.cholesky_ex(precision_D_D)
        if failed:
            return point_D
        gradient_D = jacobian(log_density, point_D)
        step_D = torch.cholesky_solve(gradient_D[:, None], factor_D_D)[:, 0]
        if not log_density(point_D + step_D) > log_density(point_D):
            return point_D
        point_D = point_D + step_D
    return point_D
