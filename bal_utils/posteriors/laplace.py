"""Laplace's approximation: a Gaussian at the peak of a posterior, as wide as the curvature there says.

`fit_laplace` takes any log density and its exact Hessian. `fit_network` takes a trained network (arXiv:2106.14806).
Dimensions: N inputs, K samples, D weights, d of them uncertain, C outputs; n inputs of a chunk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.autograd.functional import hessian, jacobian
from torch.func import jacrev, vmap

from bal_utils.checks import check_number
from bal_utils.models import check_inputs, evaluation_mode, last_linear, one_pass
from bal_utils.posteriors.base import Posterior, check_logits
from bal_utils.posteriors.nuts import check_start
from bal_utils.posteriors.weights import (
    CHUNK_BYTES,
    LogLikelihood,
    WeightSamples,
    categorical,
    check_fit,
    filled_in,
    places_of,
    prior_of,
    snapshot,
    standard_normal,
    uncertain_names,
    weight_vector,
)

SEARCH_STEPS, NEWTON_STEPS = 500, 20


def fit_laplace(log_density: Callable[[Tensor], Tensor], start_D: Tensor) -> tuple[Tensor, Tensor]:
    """The Gaussian N(m, (-H)⁻¹) with m the maximum of the log density and H its Hessian there (Bishop 2006, section 4.4).

    `log_density` maps every vector [D] to a finite scalar, twice differentiably; constants do not matter. L-BFGS climbs,
    Newton's method finishes. The Hessian is dense, so D should stay below a few hundred; use float64. Returns mean_D and
    covariance_D_D. Of several maxima it finds the one uphill of `start_D`.

    Raises ValueError where the start is unfit, or where no maximum is found: the density keeps rising or is flat.
    """
    check_start(log_density, start_D)
    point_D = _finish(log_density, climb(log_density, start_D))
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


def _finish(log_density: Callable[[Tensor], Tensor], point_D: Tensor) -> Tensor:
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


@dataclass(frozen=True, eq=False)
class NetworkLaplace(Posterior):
    """A normal distribution around the weights of a trained network, over all of them or those of its last layer.

    Its outputs are linearised, f(x, m) + J(x) (w - m), as fits the Gauss-Newton matrix (arXiv:2008.08400). Those of
    `draw`n networks, f(x, w), are often far worse where the network bends within the width of the approximation.
    """

    model: nn.Module
    names: tuple[str, ...]  # the weights that are uncertain, d of them
    mean_d: Tensor
    precision_factor_d_d: Tensor  # the lower-triangular R with R Rᵀ = precision

    @property
    def covariance_d_d(self) -> Tensor:
        """The inverse of the precision."""
        return torch.cholesky_inverse(self.precision_factor_d_d)

    def draw(self, num_samples: int, *, generator: Generator | None = None) -> WeightSamples:
        """K networks with drawn weights. Without a generator they are those of `stream(0, "weights")`."""
        places_d, weights_K_d = places_of(self.model, self.names), self._drawn(num_samples, generator)
        return WeightSamples(self.model, filled_in(weight_vector(self.model), places_d, weights_K_d))

    def sample_outputs(self, inputs: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """Linearised outputs for K draws of the weights, each shared by all inputs: outputs_N_K_C."""
        check_inputs(inputs)
        shifts_d_K = (self._drawn(num_samples, generator) - self.mean_d).mT
        results = []
        for part in inputs.split(_chunk_size(self.model, self.names, inputs)):
            outputs_n_C, jacobian_n_C_d = jacobians(self.model, self.names, part.to(shifts_d_K.device))
            results.append(outputs_n_C[:, None] + (jacobian_n_C_d @ shifts_d_K).mT)
        return torch.cat(results)

    def _drawn(self, num_samples: int, generator: Generator | None) -> Tensor:
        """The uncertain weights alone, weights_K_d."""
        base_K_d = standard_normal(num_samples, self.mean_d, generator)
        return self.mean_d + torch.linalg.solve_triangular(self.precision_factor_d_d.mT, base_K_d.mT, upper=True).mT


def fit_network(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    prior_std: float | Tensor,
    noise_std: float | None = None,
    last_layer: bool = False,
) -> NetworkLaplace:
    """Laplace's approximation at the present weights of a trained network, with the generalised Gauss-Newton matrix.

    precision = Σ_n J_nᵀ Λ_n J_n + diag(1/prior_std²),   J_n = ∂f(x_n)/∂w                                (arXiv:2008.08400)

    Λ is 1/noise_std² for regression, and diag(p) - p pᵀ with p the softmax for classification (`noise_std` None). Unlike
    the Hessian this matrix has no negative curvature, so the network need not be at an exact maximum; it should be near
    the maximum of the same posterior: `weights.log_joint`, or training with `weight_decay` = 1/(N prior_std²) on the
    mean loss. With `last_layer` only the last linear layer is uncertain. The matrix is dense: d² numbers.
    Frozen weights are certain. The model is left as it was, and what is trained later does not change the result.
    Raises TypeError or ValueError where data, standard deviations or network do not fit, and where the matrix is not
    positive definite to rounding, as with outputs that are not finite or a prior far too wide for the type of the weights.
    """
    model = snapshot(model)
    check_fit(model, inputs, targets, None)
    if noise_std is not None:
        check_number("noise_std", noise_std, above=0)
    names = _last_layer_names(model, inputs) if last_layer else uncertain_names(model)
    places_d = places_of(model, names)
    prior_std_d = prior_of(model, prior_std)[places_d]
    precision_d_d = prior_std_d.square().reciprocal().diag()
    for part in inputs.split(_chunk_size(model, names, inputs)):
        outputs_n_C, jacobian_n_C_d = jacobians(model, names, part.to(prior_std_d.device))
        if noise_std is None:
            check_logits(outputs_n_C)
            probs_n_C = outputs_n_C.softmax(dim=-1)
            # L = diag(√p) - p √pᵀ has L Lᵀ = diag(p) - p pᵀ
            factor_n_C_C = probs_n_C.sqrt().diag_embed() - probs_n_C[:, :, None] * probs_n_C.sqrt()[:, None, :]
            rows = (factor_n_C_C.mT @ jacobian_n_C_d).flatten(0, 1)
        else:
            rows = jacobian_n_C_d.flatten(0, 1) / noise_std
        precision_d_d += rows.mT @ rows
    return NetworkLaplace(model, names, weight_vector(model)[places_d], _factor(precision_d_d))


def log_evidence(
    fitted: NetworkLaplace,
    inputs: Tensor,
    targets: Tensor,
    *,
    prior_std: float | Tensor,
    log_likelihood: LogLikelihood = categorical,
) -> float:
    """Laplace's approximation of log p(targets | inputs), in nats: the larger, the better prior and data go together.

    log p(targets | m) + log N(m; 0, prior_std²) + d/2 log 2π - ½ log |precision|, for the prior `fitted` was built with; it is
    exact for a linear network with Gaussian noise at its peak. Priors are compared at their own peaks, or all at the
    weights of one network (arXiv:2104.04975). Raises ValueError where the standard deviations do not fit.
    """
    places_d = places_of(fitted.model, fitted.names)
    prior_std_d = prior_of(fitted.model, prior_std)[places_d]
    with torch.no_grad():
        fit = log_likelihood(one_pass(fitted.model, inputs.to(prior_std_d.device)), targets.to(prior_std_d.device))
    # the normal density's -d/2 log 2π and the integral's d/2 log 2π cancel
    log_prior = -prior_std_d.log().sum() - 0.5 * (fitted.mean_d / prior_std_d).square().sum()
    return (fit + log_prior - fitted.precision_factor_d_d.diagonal().log().sum()).item()


def _factor(precision_d_d: Tensor) -> Tensor:
    """The lower-triangular R with R Rᵀ = precision. Raises ValueError where rounding decides what it is."""
    factor_d_d, failed = torch.linalg.cholesky_ex(precision_d_d)
    pivots_d, rounding = factor_d_d.diagonal().square(), torch.finfo(precision_d_d.dtype).eps
    variances_d = pivots_d.reciprocal()  # of each weight, given those behind it
    if failed or not (variances_d.isfinite() & (pivots_d > 4 * rounding * precision_d_d.diagonal())).all():
        raise ValueError(
            "prior_std: expected a precision matrix that is positive definite beyond a rounding of "
            f"{rounding:.0e}, got another one; look for outputs that are not finite, use a prior_std nearer to 1, or float64"
        )
    return factor_d_d


@torch.no_grad()
def jacobians(model: nn.Module, names: Sequence[str], inputs_n: Tensor) -> tuple[Tensor, Tensor]:
    """outputs_n_C of the network, and their derivatives by the named weights: jacobian_n_C_d."""
    everything = {name: parameter.detach() for name, parameter in model.named_parameters()}
    chosen = {name: everything[name] for name in names}

    def outputs(chosen: dict[str, Tensor], input_: Tensor) -> tuple[Tensor, Tensor]:
        outputs_C = one_pass(model, input_[None], everything | chosen).reshape(-1)
        return outputs_C, outputs_C

    with evaluation_mode(model):
        found, outputs_n_C = vmap(jacrev(outputs, has_aux=True), in_dims=(None, 0))(chosen, inputs_n)
    return outputs_n_C, torch.cat([found[name].flatten(start_dim=2) for name in names], dim=-1)


def _last_layer_names(model: nn.Module, inputs: Tensor) -> tuple[str, ...]:
    """The names of the weights of the last linear layer, but for frozen ones. Raises ValueError where there are none."""
    own = set(map(id, model.get_submodule(last_linear(model, inputs)).parameters()))
    free = set(uncertain_names(model))
    names = tuple(name for name, weight in model.named_parameters() if id(weight) in own and name in free)
    if not names:
        raise ValueError(
            "model: expected weights in the last linear layer that are not frozen (`requires_grad`), got none"
        )
    return names


def _chunk_size(model: nn.Module, names: Sequence[str], inputs: Tensor) -> int:
    """How many inputs at once keep the Jacobian within a bounded memory."""
    with torch.no_grad(), evaluation_mode(model):
        num_outputs = one_pass(model, inputs[:1].to(weight_vector(model).device)).numel()
    return max(1, CHUNK_BYTES // (8 * num_outputs * len(places_of(model, names))))
