"""Samples from a posterior whose log density is known up to a constant: the gold standard for small models."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bal_utils.checks import check_whole
from bal_utils.posteriors.weights import (
    LogLikelihood,
    WeightSamples,
    categorical,
    filled_in,
    log_joint,
    places_of,
    snapshot,
    uncertain_names,
    weight_vector,
)
from bal_utils.runtime import stream_seed


class Chain(WeightSamples):
    """Successive samples of a chain. Where fewer than all are asked for, they are evenly spaced, the last among them."""

    def _chosen(self, num_samples: int) -> Tensor:
        length = len(self.weights_K_D)
        num_samples = check_whole("num_samples", num_samples, at_least=1, at_most=length)
        places_K = torch.arange(1, num_samples + 1) * length // num_samples - 1
        return self.weights_K_D[places_K]


def sample_nuts(
    log_density: Callable[[Tensor], Tensor],
    start_D: Tensor,
    *,
    num_samples: int = 1000,
    warmup: int = 500,
    max_tree_depth: int = 10,
    seed: int = 0,
) -> Tensor:
    """Draws `samples_K_D` from exp(log_density) / Z by the No-U-Turn sampler (Hoffman & Gelman 2014, arXiv:1111.4246).

    `log_density` maps one vector [D] to a scalar, differentiably. Step size and a diagonal mass matrix adapt during
    `warmup` steps, which are thrown away. A step takes at most 2^`max_tree_depth` gradients. Successive samples are
    correlated, so K of them tell less than K independent ones. The same seed gives the same chain, and the global
    random state is left as it was.

    Raises ValueError where `start_D` is not a vector of finite floats, where the density there is not one finite number,
    or where a count is not a whole number of at least 1.
    """
    check_start(log_density, start_D)
    for name, count in (("num_samples", num_samples), ("warmup", warmup), ("max_tree_depth", max_tree_depth)):
        check_whole(name, count, at_least=1)
    from pyro.infer import MCMC, NUTS

    kernel = NUTS(potential_fn=lambda values: -log_density(values["weights"]), max_tree_depth=max_tree_depth)
    chain = MCMC(
        kernel,
        num_samples=num_samples,
        warmup_steps=warmup,
        initial_params={"weights": start_D.detach().clone()},
        disable_progbar=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "nuts"))
        chain.run()
    return chain.get_samples()["weights"].detach()


def check_start(log_density: Callable[[Tensor], Tensor], start_D: Tensor) -> None:
    """Raises ValueError unless `start_D` is a vector of finite floats at which the log density is one finite number."""
    if start_D.ndim != 1 or not start_D.is_floating_point() or not start_D.isfinite().all():
        raise ValueError(f"start_D: expected a vector of finite floats, got {start_D}")
    value = log_density(start_D)
    if value.ndim != 0 or not value.isfinite():
        raise ValueError(f"log_density: expected one finite number at start_D, got {value}")


def fit_network(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    prior_std: float | Tensor,
    log_likelihood: LogLikelihood = categorical,
    num_samples: int = 500,
    warmup: int = 300,
    max_tree_depth: int = 10,
    seed: int = 0,
) -> Chain:
    """Samples the weights of a small network, all that are not frozen, from their posterior, from their present values on.

    Costs grow with the number of weights and of inputs: tens of weights take seconds, thousands take hours. Give the model
    and its data in float64. One chain stays near one of many equal peaks, because hidden units can be swapped and their
    signs flipped; predictions do not notice. Later training of the model does not
    change them. Raises as `sample_nuts` and `weights.log_joint` do.
    """
    density = log_joint(model, inputs, targets, log_likelihood=log_likelihood, prior_std=prior_std)
    model = snapshot(model)
    start_D, places_d = weight_vector(model), places_of(model, uncertain_names(model))
    weights_K_d = sample_nuts(
        lambda weights_d: density(filled_in(start_D, places_d, weights_d)),
        start_D[places_d],
        num_samples=num_samples,
        warmup=warmup,
        max_tree_depth=max_tree_depth,
        seed=seed,
    )
    return Chain(model, filled_in(start_D, places_d, weights_K_d))
