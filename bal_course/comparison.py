"""All posteriors of the course behind one door: the same network, prior and data, asked alike, costs counted alike.

Dimensions: N inputs, K samples, C outputs, D weights, d of them uncertain, S data sets or seeds, H chains of each.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import vmap

from bal_utils.models import one_pass
from bal_utils.posteriors import bayes_by_backprop, ensemble, hmc, laplace, swag
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.mc_dropout import MCDropout
from bal_utils.posteriors.weights import (
    LogLikelihood,
    WeightSamples,
    categorical,
    gaussian,
    named_weights,
    weight_vector,
)
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp, predictive_entropy
from bal_utils.theory.intervals import interval
from bal_utils.theory.metrics import brier_score, expected_calibration_error, negative_log_likelihood, ood_auroc
from bal_utils.training.fit import FitConfig, fit, initialised

BACKWARD = 2  # forward passes that a backward pass is worth, the usual rule of thumb
ONE_NETWORK, DROPOUT, ENSEMBLE, BACKPROP = "one network", "MC-dropout", "deep ensemble", "Bayes by Backprop"
ANCHORED, SWAG = "anchored ensemble, 20", "SWAG"
LAPLACE_LAST, LAPLACE_ALL, HMC = "Laplace, last layer", "Laplace, all weights", "HMC"
METHODS = (ONE_NETWORK, DROPOUT, ENSEMBLE, ANCHORED, SWAG, BACKPROP, LAPLACE_LAST, LAPLACE_ALL, HMC)

Data = tuple[Tensor, Tensor]  # inputs and targets


class FanInLinear(nn.Linear):
    """A linear layer with w = v/√fan-in: one prior N(0, s²) for all v is the prior of notebook 08, scaled by the fan-in."""

    def reset_parameters(self) -> None:
        """The first w are PyTorch's."""
        super().reset_parameters()
        self.weight.data *= self.in_features**0.5

    def forward(self, inputs: Tensor) -> Tensor:
        """x wᵀ + b."""
        return F.linear(inputs, self.weight / self.in_features**0.5, self.bias)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all methods share, and the few numbers that belong to one of them.

    The prior is N(0, prior_std²) for every weight; a network trained by gradient steps meets it as the weight decay
    1/(N prior_std²) on the mean loss. Anchored members, Bayes by Backprop, Laplace and HMC approximate the posterior of
    that prior; plain ensembles, dropout and SWAG only share the prior's scale.
    """

    network: Callable[[float], nn.Module]  # dropout probability -> a new network
    prior_std: float = 1.0
    noise_std: float | None = None  # of the targets; None where they are classes
    dropout: float = 0.1
    epochs: int = 600
    batch_size: int = 64
    learning_rate: float = 1e-2
    num_members: int = 5
    anchored_members: int = 20
    swag_rate: float = 1e-3  # the learning rate at which SWAG goes on; at 0 it is one network
    swag_epochs: int = 100
    swag_batch: int = 10  # of all data at once the states would not move
    backprop_steps: int = 1500  # of Bayes by Backprop
    backprop_draws: int = 4
    backprop_rate: float = 3e-2  # a third of it leaves the ELBO of a small network lower after as many steps
    num_samples: int = 100

    @property
    def log_likelihood(self) -> LogLikelihood:
        """log p(targets | outputs), summed over the inputs."""
        return categorical if self.noise_std is None else gaussian(self.noise_std)

    def loss(self, outputs_N: Tensor, targets_N: Tensor) -> Tensor:
        """Minus the log-likelihood as a mean over the inputs, up to a constant."""
        if self.noise_std is None:
            return F.cross_entropy(outputs_N, targets_N)
        return (outputs_N.reshape(targets_N.shape) - targets_N).square().mean() / (2 * self.noise_std**2)

    def schedule(self, num_points: int) -> FitConfig:
        """How one network is trained on this many points."""
        return FitConfig(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=self.epochs,
            weight_decay=1 / (num_points * self.prior_std**2),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedMethod(Posterior):
    """One of METHODS, fitted: its posterior, how many samples it is usually asked for, and what it costs.

    `gradients` is what training took, in gradients of the loss at one input for one set of weights. `passes` is what a
    prediction takes, in forward passes of the network for one input, a backward pass being worth BACKWARD of them. A
    forward pass is worth as many multiplications as there are weights, and what all samples share is counted once.
    """

    posterior: Posterior
    num_samples: int
    gradients: float
    passes: float

    def sample_outputs(
        self, inputs: Tensor, num_samples: int | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """outputs_N_K_C. Without a generator they are those of `stream(0, "comparison")`."""
        count = self.num_samples if num_samples is None else num_samples
        return self.posterior.sample_outputs(inputs, count, generator=generator or stream(0, "comparison"))


def fit_networks(recipe: Recipe, data: Data, seed: int, num_members: int | None = None) -> WeightSamples:
    """The members of the ensemble. The first is the "one network", and the network of both Laplaces."""
    members = recipe.num_members if num_members is None else num_members
    config = recipe.schedule(len(data[0]))
    return ensemble.fit_ensemble(
        lambda: recipe.network(0.0), *data, num_members=members, config=config, seed=seed, loss=recipe.loss
    )


def committee_of(recipe: Recipe, networks: WeightSamples, num_points: int, num_members: int) -> FittedMethod:
    """The first members of an ensemble: one of them is the deterministic network."""
    chosen = WeightSamples(networks.model, networks.weights_K_D[:num_members])
    cost = num_members * recipe.epochs * num_points
    return FittedMethod(posterior=chosen, num_samples=num_members, gradients=cost, passes=num_members)


def fit_dropout(recipe: Recipe, data: Data, seed: int) -> FittedMethod:
    """MC-dropout, trained like the one network, from the same first weights; with nothing to drop it is one network."""
    model = initialised(lambda: recipe.network(recipe.dropout), ensemble.member_seed(seed, 0))
    fit(model, *data, config=recipe.schedule(len(data[0])), seed=seed, loss=recipe.loss)
    cost, count = recipe.epochs * len(data[0]), recipe.num_samples
    if recipe.dropout == 0:
        alone = WeightSamples(model.eval(), weight_vector(model)[None])
        return FittedMethod(posterior=alone, num_samples=1, gradients=cost, passes=1)
    passes = passes_of_last_layers(model, count)
    return FittedMethod(posterior=MCDropout(model), num_samples=count, gradients=cost, passes=passes)


def _fit_anchored(recipe: Recipe, data: Data, seed: int) -> FittedMethod:
    """Members with anchors drawn from the prior, trained as the one network is."""
    config, members = recipe.schedule(len(data[0])), recipe.anchored_members
    options = {"prior_std": recipe.prior_std, "noise_std": recipe.noise_std, "num_members": members}
    found = ensemble.fit_anchored(lambda: recipe.network(0.0), *data, **options, config=config, seed=seed)
    cost = members * recipe.epochs * len(data[0])
    return FittedMethod(posterior=found, num_samples=members, gradients=cost, passes=members)


def _fit_swag(recipe: Recipe, networks: WeightSamples, data: Data, seed: int) -> FittedMethod:
    """SWAG from the one network; at a rate of 0 it is one network."""
    found = swag.fit_network(
        networks.network(0),
        *data,
        learning_rate=recipe.swag_rate,
        weight_decay=recipe.schedule(len(data[0])).weight_decay,
        loss=recipe.loss,
        epochs=recipe.swag_epochs,
        batch_size=recipe.swag_batch,
        seed=seed,
    )
    cost, count = (recipe.epochs + recipe.swag_epochs) * len(data[0]), recipe.num_samples
    return FittedMethod(posterior=found, num_samples=count, gradients=cost, passes=count)


def passes_of_last_layers(model: nn.Module, num_samples: int) -> float:
    """Forward passes for K samples that differ in the last layer alone: what stands before it is computed once."""
    parameters = [parameter.numel() for parameter in model.parameters() if parameter.dim() > 1]
    share = parameters[-1] / sum(parameters)
    return 1 - share + num_samples * share


def _fit_backprop(recipe: Recipe, networks: WeightSamples, data: Data, seed: int) -> FittedMethod:
    """Bayes by Backprop on all data at once, from the one network: from random weights it ends at a lower ELBO."""
    q = bayes_by_backprop.fit_network(
        networks.network(0),
        *data,
        prior_std=recipe.prior_std,
        log_likelihood=recipe.log_likelihood,
        learning_rate=recipe.backprop_rate,
        steps=recipe.backprop_steps,
        num_draws=recipe.backprop_draws,
        seed=seed,
    )
    cost = (recipe.epochs + recipe.backprop_steps * recipe.backprop_draws) * len(data[0])
    count = recipe.num_samples
    return FittedMethod(posterior=q, num_samples=count, gradients=cost, passes=count)


def _fit_laplace(recipe: Recipe, networks: WeightSamples, data: Data, *, last_layer: bool) -> FittedMethod:
    """Laplace's approximation around the one network, linearised."""
    model = networks.network(0)
    fitted = laplace.fit_network(
        model, *data, prior_std=recipe.prior_std, noise_std=recipe.noise_std, last_layer=last_layer
    )
    num_weights, num_outputs, d = len(weight_vector(model)), list(model.parameters())[-1].numel(), len(fitted.mean_d)
    # the curvature takes N C d² multiplications and its factor d³/6; a gradient is worth 3 D of them
    matrix = (len(data[0]) * num_outputs * d**2 + d**3 / 6) / ((1 + BACKWARD) * num_weights)
    derivatives = 0 if last_layer else num_outputs * len(data[0])  # those of the last layer are its inputs
    count = recipe.num_samples
    # for all weights a forward pass, C backward passes, and the product of the C x D derivatives with each draw
    passes = passes_of_last_layers(model, count) if last_layer else 1 + (BACKWARD + count) * num_outputs
    cost = recipe.epochs * len(data[0]) + derivatives + matrix
    return FittedMethod(posterior=fitted, num_samples=count, gradients=cost, passes=passes)


def fit_method(name: str, recipe: Recipe, data: Data, seed: int, networks: WeightSamples) -> FittedMethod:
    """One of METHODS but HMC; `networks` are those of `fit_networks`. Raises KeyError for another name."""
    num_points = len(data[0])
    return {
        ONE_NETWORK: lambda: committee_of(recipe, networks, num_points, 1),
        DROPOUT: lambda: fit_dropout(recipe, data, seed),
        ENSEMBLE: lambda: committee_of(recipe, networks, num_points, recipe.num_members),
        ANCHORED: lambda: _fit_anchored(recipe, data, seed),
        SWAG: lambda: _fit_swag(recipe, networks, data, seed),
        BACKPROP: lambda: _fit_backprop(recipe, networks, data, seed),
        LAPLACE_LAST: lambda: _fit_laplace(recipe, networks, data, last_layer=True),
        LAPLACE_ALL: lambda: _fit_laplace(recipe, networks, data, last_layer=False),
    }[name]()


def fit_all(recipe: Recipe, data: Data, seed: int, own: Mapping[str, Recipe] | None = None) -> dict[str, FittedMethod]:
    """Every method but HMC, by the names of METHODS. `own` holds recipes of methods that have one of their own."""
    networks, own = fit_networks(recipe, data, seed), own or {}
    return {name: fit_method(name, own.get(name, recipe), data, seed, networks) for name in METHODS if name != HMC}


@dataclass(frozen=True, kw_only=True, eq=False)
class Ruler(FittedMethod):
    """The reference posterior of one data set, with its chains kept apart: weights_H_K_D."""

    weights_H_K_D: Tensor
    accepted_H: Tensor

    @property
    def halves(self) -> tuple[WeightSamples, WeightSamples]:
        """Every other chain, and the rest: two rulers of half the draws that know nothing of each other."""
        parts = (self.weights_H_K_D[half::2].flatten(0, 1) for half in (0, 1))
        return tuple(WeightSamples(self.posterior.model, weights_K_D) for weights_K_D in parts)

    def agreement(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """R-hat and effective draws of each output at each input; hidden units can change places, functions cannot."""
        chains, draws, _ = self.weights_H_K_D.shape
        outputs_N_HK = self.posterior.sample_outputs(inputs)[..., 0]
        return hmc.agreement(outputs_N_HK.T.reshape(chains, draws, -1))


def fit_hmc(
    recipe: Recipe,
    data_S: Sequence[Data],
    *,
    num_chains: int = 16,
    num_samples: int = 50,
    thinning: int = 4,
    warmup: int = 400,
    steps: int = 30,
    seed: int = 0,
) -> list[Ruler]:
    """HMC for several data sets at once: for each, chains that start at draws from the prior and know nothing of each other.

    The chains walk in units of the prior's standard deviation. Of each, every `thinning`th draw is kept, `num_samples` in all.
    """
    model = recipe.network(0.0).eval()
    sets, size = len(data_S), len(weight_vector(model))
    inputs_SH_N, targets_SH_N = (
        torch.stack(parts_S).repeat_interleave(num_chains, dim=0) for parts_S in zip(*data_S, strict=True)
    )

    def log_density(units_SH_D: Tensor) -> Tensor:  # `weights.log_joint` of each, up to a constant
        outputs_SH_N = vmap(lambda parts, inputs: one_pass(model, inputs, parts))(
            named_weights(model, recipe.prior_std * units_SH_D), inputs_SH_N
        )
        return vmap(recipe.log_likelihood)(outputs_SH_N, targets_SH_N) - 0.5 * units_SH_D.square().sum(dim=1)

    like_D = weight_vector(model)
    starts_SH_D = torch.randn(sets * num_chains, size, generator=stream(seed, "starts"), dtype=like_D.dtype)
    chains = hmc.sample_hmc(
        log_density, starts_SH_D, num_samples=num_samples * thinning, warmup=warmup, steps=steps, seed=seed
    )
    kept_SH_K_D = recipe.prior_std * chains.samples_H_K_D[:, thinning - 1 :: thinning]
    return [
        Ruler(
            posterior=WeightSamples(model, weights_H_K_D.flatten(0, 1)),
            num_samples=num_chains * num_samples,
            gradients=chains.gradients * num_chains * len(data[0]),
            passes=num_chains * num_samples,
            weights_H_K_D=weights_H_K_D,
            accepted_H=accepted_H,
        )
        for weights_H_K_D, accepted_H, data in zip(
            kept_SH_K_D.split(num_chains), chains.accepted_H.split(num_chains), data_S, strict=True
        )
    ]


def score(log_probs_N_K_C: Tensor, labels_N: Tensor, strangers_N_K_C: Tensor) -> dict[str, float]:
    """NLL, Brier score and ECE of the averaged prediction, and the AUROC with which its entropy finds the strangers."""
    mean_N_C = log_mean_exp(log_probs_N_K_C, dim=1)
    return {
        "NLL": negative_log_likelihood(mean_N_C, labels_N),
        "Brier": brier_score(mean_N_C, labels_N),
        "ECE": expected_calibration_error(mean_N_C, labels_N),
        "AUROC": ood_auroc(predictive_entropy(log_probs_N_K_C), predictive_entropy(strangers_N_K_C)),
    }


def total_variation(log_probs_N_C: Tensor, others_N_C: Tensor) -> Tensor:
    """½ Σ_c |p(c) - q(c)|, the largest difference that two predictions make in the probability of any event: [N] in [0, 1]."""
    return 0.5 * (log_probs_N_C.exp() - others_N_C.exp()).abs().sum(dim=-1)


def wasserstein_1(samples_N_K: Tensor, others_N_K: Tensor) -> Tensor:
    """∫ |F⁻¹(t) - G⁻¹(t)| dt of two empirical distributions for each input, [N], in the units of the samples.

    With equally many samples it is the mean distance of the k-th smallest to the k-th smallest. A single sample, the same
    for all weights, may stand for K. Raises ValueError where the numbers of samples are different and neither is 1.
    """
    counts = samples_N_K.shape[-1], others_N_K.shape[-1]
    if counts[0] != counts[1] and 1 not in counts:
        raise ValueError(f"others_N_K: expected {counts[0]} samples, as there are in samples_N_K, got {counts[1]}")
    return (samples_N_K.sort(dim=-1).values - others_N_K.sort(dim=-1).values).abs().mean(dim=-1)


def sure_sign(gain_S: Sequence[float] | np.ndarray) -> float:
    """1 where the 95 % interval of the mean gain is above zero, -1 below, 0 around it; NaN where no gain is a thousandth."""
    if np.abs(gain_S).max() < 1e-3:
        return math.nan
    low, high = interval(gain_S)
    return float(low > 0) - float(high < 0)
