"""Bayesian logistic regression for two classes: p(y=1 | x, w) = σ(w·x), with w ~ N(0, I/α).

There is no intercept: a column of ones in the inputs is one. α is `prior_precision`, an inverse variance. Work in float64.
Dimensions: N inputs, D weights, K draws of the weights, G cells of a grid.
Bishop 2006, Pattern Recognition and Machine Learning, sections 4.3.2, 4.4 and 4.5.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bal_utils.checks import check_finite, check_labels, check_number, check_whole
from bal_utils.runtime import stream

NEWTON_STEPS, HALVINGS = 200, 40
CONVERGED = 1e-12  # nats that another Newton step would gain
DEPTH = 25.0  # nats below the highest log density at which a grid ends
ZOOMS, COARSE = 3, 31


def two_groups(num_each: int, *, distance: float = 3.0, spread: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two round clouds of points, centred at (∓distance/2, 0), the classes 0 and 1 taking turns.

    Returns inputs [2 * num_each, 2] and labels [2 * num_each]. The i-th point is the same whatever the number. Raises
    ValueError where `num_each` is below one or the spread is negative.
    """
    num_each = check_whole("num_each", num_each, at_least=1)
    check_number("spread", spread, at_least=0)
    labels_N = torch.arange(2 * num_each) % 2
    noise_N_2 = torch.randn(2 * num_each, 2, generator=stream(seed, "clusters"), dtype=torch.float64)
    centres_N_2 = (labels_N - 0.5)[:, None] * torch.tensor([distance, 0.0], dtype=torch.float64)
    return centres_N_2 + spread * noise_N_2, labels_N


def log_likelihood(weights_D: Tensor, inputs_N_D: Tensor, labels_N: Tensor) -> Tensor:
    """ln p(y | X, w) = Σ ln σ(±w·x), plus for class 1 and minus for class 0: minus the summed cross-entropy, in nats.

    `weights_D` may have leading dimensions, which the result keeps. Differentiable, and finite however sure the weights are.
    """
    signs_N = 2 * _zeros_and_ones(labels_N, inputs_N_D) - 1
    return logsigmoid((weights_D @ inputs_N_D.T) * signs_N).sum(dim=-1)


def log_prior(weights_D: Tensor, prior_precision: float) -> Tensor:
    """ln N(w | 0, I/α), in nats; `weights_D` may have leading dimensions. Raises ValueError where α is not positive."""
    check_number("prior_precision", prior_precision, above=0)
    num_weights = weights_D.shape[-1]
    constant = num_weights / 2 * math.log(prior_precision / (2 * math.pi))
    return constant - prior_precision / 2 * weights_D.square().sum(dim=-1)


def log_joint(weights_D: Tensor, inputs_N_D: Tensor, labels_N: Tensor, prior_precision: float) -> Tensor:
    """ln p(y, w | X): the log posterior of the weights up to a constant, the log evidence."""
    return log_likelihood(weights_D, inputs_N_D, labels_N) + log_prior(weights_D, prior_precision)


def fit_map(inputs_N_D: Tensor, labels_N: Tensor, prior_precision: float) -> tuple[Tensor, Tensor]:
    """The most probable weights, by Newton's method, and the inverse of the negative Hessian there (Laplace's covariance).

    Gradient Xᵀ(y - p) - αw, Hessian -(Xᵀ diag(p(1-p)) X + αI)         (Bishop 2006, eqs. 4.96, 4.97, with the prior's part)
    The log posterior is concave, so halving steps until they gain never fails. Returns weights_D, covariance_D_D. Raises
    ValueError where α is not positive (without a prior, separable data have no most probable weights) or inputs are not finite.
    """
    check_number("prior_precision", prior_precision, above=0)
    check_finite("inputs_N_D", inputs_N_D, dims=2)
    weights_D = inputs_N_D.new_zeros(inputs_N_D.shape[1])
    height = log_joint(weights_D, inputs_N_D, labels_N, prior_precision)
    for _ in range(NEWTON_STEPS):
        gradient_D, precision_D_D = _slope_and_curvature(weights_D, inputs_N_D, labels_N, prior_precision)
        step_D = torch.linalg.solve(precision_D_D, gradient_D)
        if gradient_D @ step_D < 2 * CONVERGED:
            return weights_D, torch.linalg.inv(precision_D_D)
        for _ in range(HALVINGS):
            higher = log_joint(weights_D + step_D, inputs_N_D, labels_N, prior_precision)
            if higher >= height:
                break
            step_D = step_D / 2
        weights_D, height = weights_D + step_D, higher
    raise ArithmeticError(f"fit_map: no maximum after {NEWTON_STEPS} Newton steps, try float64 or smaller inputs")


def _slope_and_curvature(
    weights_D: Tensor, inputs_N_D: Tensor, labels_N: Tensor, prior_precision: float
) -> tuple[Tensor, Tensor]:
    """Gradient [D] of the log posterior and its negative Hessian [D, D]."""
    probs_N = torch.sigmoid(inputs_N_D @ weights_D)
    gradient_D = inputs_N_D.T @ (_zeros_and_ones(labels_N, inputs_N_D) - probs_N) - prior_precision * weights_D
    curved_N_D = inputs_N_D * (probs_N * (1 - probs_N))[:, None]
    ridge_D_D = prior_precision * torch.eye(len(weights_D), dtype=weights_D.dtype)
    return gradient_D, curved_N_D.T @ inputs_N_D + ridge_D_D


@dataclass(frozen=True, kw_only=True, eq=False)
class GridPosterior:
    """The posterior of two weights on a grid: `weights_G_2`, the share of each cell (they sum to one), the log evidence."""

    weights_G_2: Tensor
    shares_G: Tensor
    log_evidence: float

    @property
    def mean_D(self) -> Tensor:
        return self.shares_G @ self.weights_G_2

    @property
    def covariance_D_D(self) -> Tensor:
        centred_G_2 = self.weights_G_2 - self.mean_D
        return (centred_G_2 * self.shares_G[:, None]).T @ centred_G_2

    def trimmed(self, lost: float = 1e-4) -> "GridPosterior":
        """The same without its lightest cells, which together hold at most the share `lost`. Far fewer cells remain."""
        ordered = self.shares_G.argsort(descending=True, stable=True)
        keep = ordered[self.shares_G[ordered].cumsum(0) - self.shares_G[ordered] < 1 - lost]
        shares_G = self.shares_G[keep] / self.shares_G[keep].sum()
        return GridPosterior(weights_G_2=self.weights_G_2[keep], shares_G=shares_G, log_evidence=self.log_evidence)

    def draw(self, num_draws: int, generator: torch.Generator) -> Tensor:
        """weights_K_2, independent draws among the cells."""
        cells_K = torch.multinomial(self.shares_G, num_draws, replacement=True, generator=generator)
        return self.weights_G_2[cells_K]


def grid_posterior(inputs_N_2: Tensor, labels_N: Tensor, prior_precision: float, *, cells: int = 201) -> GridPosterior:
    """The posterior of two weights on `cells` × `cells` places: exact up to the fineness of the grid.

    The grid covers every place whose density is at least e⁻²⁵ of the highest. Raises ValueError where the inputs have not
    two columns.
    """
    if inputs_N_2.ndim != 2 or inputs_N_2.shape[1] != 2:
        raise ValueError(f"inputs_N_2: expected two columns, got shape {tuple(inputs_N_2.shape)}")
    low_2, high_2 = _box_around_posterior(inputs_N_2, labels_N, prior_precision)
    weights_G_2 = _cell_centres(low_2, high_2, cells)
    log_joint_G = log_joint(weights_G_2, inputs_N_2, labels_N, prior_precision)
    log_area = ((high_2 - low_2) / cells).log().sum()
    log_evidence = (torch.logsumexp(log_joint_G, dim=0) + log_area).item()
    return GridPosterior(weights_G_2=weights_G_2, shares_G=log_joint_G.softmax(dim=0), log_evidence=log_evidence)


def _cell_centres(low_2: Tensor, high_2: Tensor, cells: int) -> Tensor:
    """The middles of `cells` × `cells` equal cells between two corners, the second weight running fastest."""
    steps_C = (torch.arange(cells, dtype=low_2.dtype) + 0.5) / cells
    return torch.cartesian_prod(*(low_2 + steps_C[:, None] * (high_2 - low_2)).T)


def _box_around_posterior(inputs_N_2: Tensor, labels_N: Tensor, prior_precision: float) -> tuple[Tensor, Tensor]:
    """Corners of a box that holds the weights whose log joint is within `DEPTH` nats of the highest.

    The likelihood is at most one, so the prior alone bounds them: α|w|²/2 ≤ DEPTH - ln p(y | w*) + α|w*|²/2. Coarse grids
    zoom in from there. They may miss a posterior narrower than a cell; that one is Gaussian, and Laplace's box holds it.
    """
    peak_2, covariance_2_2 = fit_map(inputs_N_2, labels_N, prior_precision)
    top = log_joint(peak_2, inputs_N_2, labels_N, prior_precision)
    depth = DEPTH + log_prior(torch.zeros_like(peak_2), prior_precision) - top
    high_2 = (2 * depth / prior_precision).sqrt().expand(2)
    low_2, gaussian_2 = -high_2, math.sqrt(2 * DEPTH) * covariance_2_2.diagonal().sqrt()
    for _ in range(ZOOMS):
        places_G_2 = _cell_centres(low_2, high_2, COARSE)
        found_G_2 = places_G_2[log_joint(places_G_2, inputs_N_2, labels_N, prior_precision) > top - DEPTH]
        corners_G_2, cell_2 = torch.cat([found_G_2, peak_2[None]]), (high_2 - low_2) / COARSE
        low_2 = torch.maximum(low_2, torch.minimum(corners_G_2.amin(0) - cell_2, peak_2 - gaussian_2))
        high_2 = torch.minimum(high_2, torch.maximum(corners_G_2.amax(0) + cell_2, peak_2 + gaussian_2))
    return low_2, high_2


def average_probability(weights_K_D: Tensor, inputs_N_D: Tensor, shares_K: Tensor | None = None) -> Tensor:
    """The posterior predictive Σ_k share_k σ(w_k·x) at every input: sigmoid first, then the average. Returns probs_N.

    Without `shares_K` all draws count alike.
    """
    probs_N_K = torch.sigmoid(inputs_N_D @ weights_K_D.T)
    return probs_N_K.mean(dim=1) if shares_K is None else probs_N_K @ shares_K


def moderated_probability(mean_D: Tensor, covariance_D_D: Tensor, inputs_N_D: Tensor) -> Tensor:
    """MacKay's approximation to E σ(w·x) under w ~ N(m, S): σ(m·x / √(1 + π s²/8)) with s² = xᵀSx. Returns probs_N.

    MacKay 1992, The Evidence Framework Applied to Classification Networks; Bishop 2006, eqs. 4.153 to 4.155.
    """
    variance_N = torch.einsum("nd,de,ne->n", inputs_N_D, covariance_D_D, inputs_N_D)
    return torch.sigmoid(inputs_N_D @ mean_D / torch.sqrt(1 + math.pi / 8 * variance_N))


def _zeros_and_ones(labels_N: Tensor, inputs_N_D: Tensor) -> Tensor:
    """The labels in the inputs' precision, so that arithmetic with them cannot wrap around; floats that are 0 or 1 will do."""
    if isinstance(labels_N, Tensor) and labels_N.is_floating_point() and ((labels_N == 0) | (labels_N == 1)).all():
        labels_N = labels_N.long()
    return check_labels("labels_N", labels_N, num_inputs=len(inputs_N_D), num_classes=2).to(inputs_N_D.dtype)
