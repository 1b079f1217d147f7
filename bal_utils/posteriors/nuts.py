"""Samples from a posterior whose log density is known up to a constant: the gold standard for small models."""

from collections.abc import Callable

import torch
from torch import Tensor

from bal_utils.runtime import stream_seed


def sample_nuts(
    log_density: Callable[[Tensor], Tensor],
    start_D: Tensor,
    *,
    num_samples: int = 1000,
    warmup: int = 500,
    seed: int = 0,
) -> Tensor:
    """Draws `samples_K_D` from exp(log_density) / Z by the No-U-Turn sampler (Hoffman & Gelman 2014, arXiv:1111.4246).

    `log_density` maps one vector [D] to a scalar, differentiably. Step size and a diagonal mass matrix adapt during
    `warmup` steps, which are thrown away. Successive samples are correlated, so K of them tell less than K independent
    ones. The same seed gives the same chain, and the global random state is left as it was.

    Raises ValueError where `start_D` is not a vector of finite floats, where the density there is not one finite number,
    or where a count is below one.
    """
    check_start(log_density, start_D)
    for name, count in (("num_samples", num_samples), ("warmup", warmup)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1, got {count}")
    from pyro.infer import MCMC, NUTS

    kernel = NUTS(potential_fn=lambda values: -log_density(values["weights"]))
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
