"""Bayes by Backprop: every weight of a network gets a mean and a standard deviation of its own (arXiv:1505.05424).

q(w) = Π_d N(w_d; m_d, s_d²) is fitted by climbing the ELBO with reparametrised draws w = m + s ε, ε ~ N(0, I).
Dimensions: N inputs, K draws, D weights, C classes; B inputs of a minibatch; * any further dimensions.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.func import vmap
from tqdm.auto import tqdm

from bal_utils.divergence import diagonal_gaussian_kl
from bal_utils.posteriors import weights
from bal_utils.posteriors.weights import (
    LogLikelihood,
    WeightSamples,
    categorical,
    check_positive,
    check_samples,
    outputs_with,
    prior_of,
    standard_normal,
    weight_vector,
)
from bal_utils.runtime import stream


@dataclass(frozen=True, eq=False)
class GaussianWeights:
    """q(w): independent normal distributions over the weights of one network."""

    model: nn.Module
    mean_D: Tensor
    std_D: Tensor

    def draw(self, num_samples: int, *, generator: Generator | None = None) -> WeightSamples:
        """K networks drawn from q. Without a generator they are those of `stream(0, "weights")`."""
        check_samples(num_samples)
        return WeightSamples(
            self.model, self.mean_D + self.std_D * standard_normal(num_samples, self.mean_D, generator)
        )


def fit_bayes_by_backprop(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    prior_std: float | Tensor = 1.0,
    log_likelihood: LogLikelihood = categorical,
    kl_weight: float = 1.0,
    learning_rate: float = 1e-2,
    steps: int = 2000,
    batch_size: int | None = None,
    num_draws: int = 4,
    initial_std: float = 0.05,
    seed: int = 0,
    progress: bool = False,
) -> GaussianWeights:
    """Fits q from the model's present weights by Adam, with a learning rate that falls to zero in a straight line.

    minimise   kl_weight · KL(q || p) - N/B Σ_b E_q[log p(y_b | x_b, w)],   p(w) = N(0, prior_std²)

    With `kl_weight` 1 this is the negative ELBO; any other number is another posterior, colder or warmer. `log_likelihood`
    is summed over the inputs it gets (`weights.categorical`, `weights.gaussian(noise_std)`); its expectation is the
    average over `num_draws` draws of the whole network a step. Dropout is off. The model's own weights stay as they are.
    Raises ValueError where an argument is out of range, FloatingPointError where the objective stops being finite.
    """
    check_fit(inputs, targets, kl_weight, learning_rate, initial_std, steps, num_draws, batch_size)
    start_D = weight_vector(model)
    prior_std_D = prior_of(model, prior_std)
    mean_D = start_D.clone().requires_grad_()
    log_std_D = torch.full_like(start_D, math.log(initial_std)).requires_grad_()  # its exponential is positive
    optimizer = torch.optim.Adam([mean_D, log_std_D], lr=learning_rate)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    noise, batches = stream(seed, "bayes by backprop"), stream(seed, "batches")
    inputs, targets = inputs.to(start_D.device), targets.to(start_D.device)
    for step in tqdm(range(steps), desc="Bayes by Backprop", unit="step", disable=not progress):
        chosen = slice(None) if batch_size is None else torch.randperm(len(inputs), generator=batches)[:batch_size]
        weights_K_D = mean_D + log_std_D.exp() * standard_normal(num_draws, start_D, noise)
        outputs_K_B = outputs_with(model, weights_K_D, inputs[chosen])
        fit_K = vmap(log_likelihood, in_dims=(0, None))(outputs_K_B, targets[chosen])
        scale = len(inputs) / outputs_K_B.shape[1]
        kl = diagonal_gaussian_kl(mean_D, log_std_D.exp(), torch.zeros_like(start_D), prior_std_D)
        objective = kl_weight * kl - scale * fit_K.mean()
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        decay.step()
        if step % 100 == 0 and not objective.isfinite():
            raise FloatingPointError(f"objective: expected a finite number, got {objective.item()} in step {step}")
    return GaussianWeights(model, mean_D.detach(), log_std_D.detach().exp())


def sample_outputs(
    q: GaussianWeights, inputs: Tensor, num_samples: int, *, generator: Generator | None = None
) -> Tensor:
    """The outputs f(x, w_k) for K draws w_k from q, each shared by all inputs: outputs_N_K_*."""
    return weights.sample_outputs(q.draw(num_samples, generator=generator), inputs)


def sample_log_probs(
    q: GaussianWeights, inputs: Tensor, num_samples: int, *, generator: Generator | None = None
) -> Tensor:
    """log p(y | x, w_k) for K draws w_k from q, each shared by all inputs: log_probs_N_K_C."""
    return weights.sample_log_probs(q.draw(num_samples, generator=generator), inputs)


def check_fit(
    inputs: Tensor,
    targets: Tensor,
    kl_weight: float,
    learning_rate: float,
    initial_std: float,
    steps: int,
    num_draws: int,
    batch_size: int | None,
) -> None:
    if len(inputs) == 0 or len(inputs) != len(targets):
        raise ValueError(f"targets: expected one for each of {len(inputs)} inputs (at least 1), got {len(targets)}")
    if not 0 <= kl_weight < math.inf:
        raise ValueError(f"kl_weight: expected zero or a positive number, got {kl_weight!r}")
    check_positive("learning_rate", learning_rate)
    check_positive("initial_std", initial_std)
    for name, value in (("steps", steps), ("num_draws", num_draws), ("batch_size", batch_size)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
