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

from bal_utils.checks import check_number, check_whole
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.weights import (
    LogLikelihood,
    WeightSamples,
    categorical,
    check_fit,
    filled_in,
    outputs_with,
    places_of,
    prior_of,
    snapshot,
    standard_normal,
    uncertain_names,
    weight_vector,
)
from bal_utils.runtime import stream
from bal_utils.theory.divergence import diagonal_gaussian_kl


@dataclass(frozen=True, eq=False)
class GaussianWeights(Posterior):
    """q(w): independent normal distributions over the weights of one network; frozen ones have standard deviation 0."""

    model: nn.Module
    mean_D: Tensor
    std_D: Tensor

    def draw(self, num_samples: int, *, generator: Generator | None = None) -> WeightSamples:
        """K networks drawn from q. Without a generator they are those of `stream(0, "weights")`."""
        return WeightSamples(
            self.model, self.mean_D + self.std_D * standard_normal(num_samples, self.mean_D, generator)
        )

    def sample_outputs(self, inputs: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """The outputs f(x, w_k) for K draws w_k from q, each shared by all inputs: outputs_N_K_*."""
        return self.draw(num_samples, generator=generator).sample_outputs(inputs)


def fit_network(
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
    average over `num_draws` draws of the whole network a step. Dropout is off, frozen weights stay where they are. The
    model is left as it was, and what is trained later does not change q.
    Raises TypeError or ValueError where an argument is out of range or data do not fit the network, FloatingPointError
    where the objective stops being finite.
    """
    model = snapshot(model)
    check_fit(model, inputs, targets, log_likelihood)
    _check_settings(kl_weight, learning_rate, initial_std, steps, num_draws, batch_size)
    start_D, places_d = weight_vector(model), places_of(model, uncertain_names(model))
    prior_std_d = prior_of(model, prior_std)[places_d]
    mean_d = start_D[places_d].requires_grad_()
    log_std_d = torch.full_like(mean_d, math.log(initial_std)).requires_grad_()  # its exponential is positive
    optimizer = torch.optim.Adam([mean_d, log_std_d], lr=learning_rate)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    noise, batches = stream(seed, "bayes by backprop"), stream(seed, "batches")
    inputs, targets = inputs.to(start_D.device), targets.to(start_D.device)
    for step in tqdm(range(steps), desc="Bayes by Backprop", unit="step", disable=not progress):
        chosen = slice(None) if batch_size is None else torch.randperm(len(inputs), generator=batches)[:batch_size]
        std_d = log_std_d.detach().exp()
        if not (std_d.isfinite() & (std_d > 0)).all():
            raise FloatingPointError(
                f"learning_rate: too large, a standard deviation is 0 or infinite after step {step}"
            )
        weights_K_d = mean_d + log_std_d.exp() * standard_normal(num_draws, mean_d, noise)
        outputs_K_B = outputs_with(model, filled_in(start_D, places_d, weights_K_d), inputs[chosen])
        fit_K = vmap(log_likelihood, in_dims=(0, None))(outputs_K_B, targets[chosen])
        scale = len(inputs) / outputs_K_B.shape[1]
        kl = diagonal_gaussian_kl(mean_d, log_std_d.exp(), torch.zeros_like(mean_d), prior_std_d)
        objective = kl_weight * kl - scale * fit_K.mean()
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        decay.step()
        if (step % 100 == 0 or step == steps - 1) and not objective.isfinite():
            raise FloatingPointError(f"objective: expected a finite number, got {objective.item()} in step {step}")
    mean_d, std_d = mean_d.detach(), log_std_d.detach().exp()
    if not (mean_d.isfinite() & std_d.isfinite()).all():
        raise FloatingPointError("objective: expected a finite mean and standard deviation of each weight, got others")
    return GaussianWeights(
        model, filled_in(start_D, places_d, mean_d), filled_in(torch.zeros_like(start_D), places_d, std_d)
    )


def _check_settings(
    kl_weight: float, learning_rate: float, initial_std: float, steps: int, num_draws: int, batch_size: int | None
) -> None:
    check_number("kl_weight", kl_weight, at_least=0)
    check_number("learning_rate", learning_rate, above=0)
    check_number("initial_std", initial_std, above=0)
    for name, value in (("steps", steps), ("num_draws", num_draws), ("batch_size", batch_size)):
        if name != "batch_size" or value is not None:
            check_whole(name, value, at_least=1)
