"""Variational inference: a Gaussian q(w) is fitted to a posterior of which only the log joint can be computed.

ELBO(q) = E_q[log p(D, w)] + H[q] = log p(D) - KL(q || p(w | D))                              (arXiv:1601.00670, section 2.2)

The highest ELBO is the smallest KL, and neither the evidence p(D) nor the posterior is needed to climb it.
Dimensions: D weights, K draws. A log joint or any other `function` maps weights_K_D to values_K.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from bal_utils.checks import check_finite, check_whole

Function = Callable[[Tensor], Tensor]


def base_draws(num_draws: int, dims: int, generator: Generator) -> Tensor:
    """Draws base_K_D from N(0, I), moved and stretched so that their mean is 0 and their covariance I, to rounding.

    With them the average of a quadratic function is exact, and others gain accuracy at the price of a small bias, O(1/K).
    Raises ValueError where there are not more draws than dimensions.
    """
    dims = check_whole("dims", dims, at_least=1)
    num_draws = check_whole("num_draws", num_draws, at_least=dims + 1)
    normal_K_D = torch.randn(num_draws, dims, generator=generator, dtype=torch.float64)
    centred_K_D = normal_K_D - normal_K_D.mean(dim=0)
    scale_D_D = torch.linalg.cholesky(centred_K_D.mT @ centred_K_D / num_draws)
    return torch.linalg.solve_triangular(scale_D_D, centred_K_D.mT, upper=False).mT


def reparametrise(q: MultivariateNormal, base_K_D: Tensor) -> Tensor:
    """Draws from q as a differentiable function of its parameters: w = mean + L ε with L Lᵀ the covariance."""
    return q.loc + base_K_D @ q.scale_tril.mT


def elbo(q: MultivariateNormal, log_joint: Function, base_K_D: Tensor) -> Tensor:
    """The evidence lower bound in nats: the average log joint over reparametrised draws, plus the exact entropy of q."""
    return log_joint(reparametrise(q, base_K_D)).mean() + q.entropy()


def fit_gaussian(
    log_joint: Function, start_D: Tensor, base_K_D: Tensor, *, mean_field: bool = False, max_steps: int = 200
) -> MultivariateNormal:
    """The Gaussian with the highest ELBO, climbed from N(start, I) by L-BFGS with the draws held fixed (arXiv:2304.05527).

    With `mean_field` the weights are independent under q. A target with several peaks has several answers: which one
    comes back depends on the start.
    Raises ValueError where shapes disagree, or where the ELBO is not finite at a place that the climb visits.
    """
    check_finite("start_D", start_D, dims=1)
    check_finite("base_K_D", base_K_D)
    max_steps = check_whole("max_steps", max_steps, at_least=1)
    dims = len(start_D)
    if base_K_D.ndim != 2 or base_K_D.shape[1] != dims or len(base_K_D) <= dims:
        raise ValueError(f"base_K_D: expected shape (K, {dims}) with K > {dims}, got {tuple(base_K_D.shape)}")
    mean_D = start_D.detach().clone().requires_grad_()
    factor_D_D = torch.zeros(dims, dims, dtype=start_D.dtype, device=start_D.device, requires_grad=True)

    def present() -> MultivariateNormal:
        scale_D_D = factor_D_D.diagonal().exp().diag_embed()  # the logarithm keeps standard deviations above 0
        scale_D_D = scale_D_D if mean_field else scale_D_D + factor_D_D.tril(-1)
        return MultivariateNormal(mean_D, scale_tril=scale_D_D, validate_args=False)

    _climb([mean_D, factor_D_D], lambda: elbo(present(), log_joint, base_K_D), max_steps)
    found = present()
    return MultivariateNormal(found.loc.detach(), scale_tril=found.scale_tril.detach())


def _climb(parameters: list[Tensor], objective: Callable[[], Tensor], max_steps: int) -> None:
    """Moves the parameters to a (local) maximum of a smooth function without noise."""
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=max_steps,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = objective()
        if not value.isfinite():
            raise ValueError(f"log_joint: expected finite values at the draws from q, got an ELBO of {value.item()}")
        (-value).backward()
        return -value

    optimiser.step(loss)


def score_function_gradients(function: Function, mean_D: Tensor, std_D: Tensor, base_K_D: Tensor) -> Tensor:
    """One estimate per draw of the gradient of E_q[f(w)], q = N(mean, diag(std²)), by mean and by standard deviation.

    f(w) ∇ log q(w)   with   ∂ log q/∂mean = ε/std,   ∂ log q/∂std = (ε² - 1)/std,   w = mean + std ε     (arXiv:1401.0118)

    Needs the values of f only. Returns gradients_K_2_D: row 0 by the mean, row 1 by the standard deviation.
    """
    values_K = function(mean_D + std_D * base_K_D).detach()
    score_K_2_D = torch.stack([base_K_D, base_K_D.square() - 1], dim=1) / std_D
    return values_K[:, None, None] * score_K_2_D


def reparametrised_gradients(function: Function, mean_D: Tensor, std_D: Tensor, base_K_D: Tensor) -> Tensor:
    """The same gradient as `score_function_gradients`, one estimate per draw, through the draw itself.

    ∇f(w) · ∂w/∂(mean, std)   with   ∂w/∂mean = 1,   ∂w/∂std = ε                          (arXiv:1312.6114, section 2.4)

    Needs the derivative of f. Returns gradients_K_2_D.
    """
    weights_K_D = (mean_D + std_D * base_K_D).detach().requires_grad_()
    (slope_K_D,) = torch.autograd.grad(function(weights_K_D).sum(), weights_K_D)
    return torch.stack([slope_K_D, slope_K_D * base_K_D], dim=1)
