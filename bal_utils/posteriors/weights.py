"""A posterior as a set of weights: one network, run with K different sets of them.

Ensembles, NUTS, Laplace's approximation and Bayes by Backprop differ in how they come by the weights; what is done with
them is here.
Dimensions: N inputs, K samples, D weights, C classes; n inputs of a chunk; * any further dimensions.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import vmap
from torch.nn.utils import vector_to_parameters

from bal_utils.checks import PRECISIONS, check_labels, check_number, check_whole
from bal_utils.models import check_inputs, evaluation_mode, one_pass
from bal_utils.posteriors.base import LOOKED_AT, Posterior, check_logits
from bal_utils.runtime import stream

LogLikelihood = Callable[[Tensor, Tensor], Tensor]
CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class WeightSamples(Posterior):
    """K sets of weights for one network, all equally likely."""

    model: nn.Module
    weights_K_D: Tensor

    def sample_outputs(
        self, inputs: Tensor, num_samples: int | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """The outputs f(x, w_k) of the first networks, of all by default: outputs_N_K_*. Nothing is drawn.

        Raises TypeError or ValueError where there are no inputs, or fewer networks than were asked for.
        """
        check_inputs(inputs)
        weights_K_D = self.weights_K_D if num_samples is None else self._chosen(num_samples)
        widest = max(parameter.shape[0] if parameter.dim() else 1 for parameter in self.model.parameters())
        widest *= inputs[0, 0].numel() if inputs.dim() == 4 else 1  # a convolution keeps about as many pixels
        size = max(1, CHUNK_BYTES // (4 * widest * len(weights_K_D)))
        with torch.no_grad():
            chunks = [outputs_with(self.model, weights_K_D, part.to(weights_K_D.device)) for part in inputs.split(size)]
        return torch.cat(chunks, dim=1).transpose(0, 1)

    def _chosen(self, num_samples: int) -> Tensor:
        """The weights that stand for all where fewer are asked for."""
        return self.weights_K_D[: check_whole("num_samples", num_samples, at_least=1, at_most=len(self.weights_K_D))]

    def network(self, number: int = 0) -> nn.Module:
        """One of the K networks as a module of its own, in evaluation mode."""
        model = copy.deepcopy(self.model).eval()
        vector_to_parameters(self.weights_K_D[number].clone(), model.parameters())
        return model


def snapshot(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, for a posterior of its own: what is trained later does not reach it.

    Raises TypeError where the weights are not all float32 or all float64: sums over them would lose what they are made for.
    """
    types = {parameter.dtype for parameter in model.parameters()}
    if len(types) != 1 or not types.issubset(PRECISIONS):
        named = " and ".join(sorted(map(str, types))) or "none"
        raise TypeError(f"model: expected weights that are all torch.float32 or all torch.float64, got {named}")
    return copy.deepcopy(model).eval()


def weight_vector(model: nn.Module) -> Tensor:
    """All weights of a network in one row, weights_D, in the order of `model.parameters()`."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def uncertain_names(model: nn.Module) -> tuple[str, ...]:
    """The names of the weights that a posterior is over: all that are not frozen. Raises ValueError where there are none."""
    names = tuple(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    if not names:
        raise ValueError("model: expected weights that are not frozen (`requires_grad`), got none")
    return names


def places_of(model: nn.Module, names: Sequence[str]) -> Tensor:
    """The places of the named weights in `weight_vector(model)`: places_d."""
    flags = [torch.full((parameter.numel(),), name in names) for name, parameter in model.named_parameters()]
    return torch.cat(flags).nonzero()[:, 0].to(next(model.parameters()).device)


def filled_in(weights_D: Tensor, places_d: Tensor, values_K_d: Tensor) -> Tensor:
    """The weights with those at the given places replaced: weights_K_D, as a differentiable function of the values."""
    return weights_D.expand(*values_K_d.shape[:-1], -1).index_copy(-1, places_d, values_K_d)


def named_weights(model: nn.Module, weights_K_D: Tensor) -> dict[str, Tensor]:
    """The rows cut into the network's own tensors, name -> weights_K_*; one vector weights_D gives weights_*.

    Raises ValueError where D is not the number of the network's weights.
    """
    parameters = dict(model.named_parameters())
    sizes = [parameter.numel() for parameter in parameters.values()]
    if weights_K_D.shape[-1] != sum(sizes):
        raise ValueError(
            f"weights_K_D: expected {sum(sizes)} weights, as the network has, got {weights_K_D.shape[-1]} of them"
        )
    parts = weights_K_D.split(sizes, dim=-1)
    return {
        name: part.reshape((*part.shape[:-1], *parameter.shape))
        for (name, parameter), part in zip(parameters.items(), parts, strict=True)
    }


def outputs_with(model: nn.Module, weights_K_D: Tensor, inputs_n: Tensor) -> Tensor:
    """f(x, w_k) for every row of weights at once, as a differentiable function of them: outputs_K_n_*. Dropout is off."""
    with evaluation_mode(model):
        return vmap(lambda weights: one_pass(model, inputs_n, weights))(named_weights(model, weights_K_D))


def check_fit(model: nn.Module, inputs: Tensor, targets: Tensor, log_likelihood: LogLikelihood | None) -> None:
    """Raises TypeError or ValueError where data do not fit each other or, for the `categorical` likelihood, the network."""
    check_inputs(inputs)
    if not isinstance(targets, Tensor):
        raise TypeError(f"targets: expected a tensor, got {type(targets).__name__}")
    if len(inputs) != len(targets):
        raise ValueError(f"targets: expected one for each of {len(inputs)} inputs, got {len(targets)}")
    if log_likelihood is categorical:
        with torch.no_grad(), evaluation_mode(model):
            outputs_n_C = one_pass(model, inputs[:LOOKED_AT].to(next(model.parameters()).device))
        check_logits(outputs_n_C)
        if not targets.is_floating_point():  # which would be probabilities of classes
            check_labels("targets", targets, num_inputs=len(inputs), num_classes=outputs_n_C.shape[1])


def categorical(logits_N_C: Tensor, labels_N: Tensor) -> Tensor:
    """log p(labels | logits), summed over the inputs, in nats."""
    labels_N = labels_N if labels_N.is_floating_point() else labels_N.long()  # or probabilities of the classes
    return -F.cross_entropy(logits_N_C, labels_N, reduction="sum")


def gaussian(noise_std: float) -> LogLikelihood:
    """The log-likelihood of targets y ~ N(f(x), noise_std²), summed over the inputs, in nats.

    Raises ValueError where the standard deviation is not a finite number above 0.
    """
    noise_std = check_number("noise_std", noise_std, above=0)

    def log_likelihood(outputs_N: Tensor, targets_N: Tensor) -> Tensor:
        errors_N = (targets_N - outputs_N.reshape(targets_N.shape)) / noise_std
        return -0.5 * errors_N.square().sum() - targets_N.numel() * math.log(noise_std * math.sqrt(2 * math.pi))

    return log_likelihood


def log_joint(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, log_likelihood: LogLikelihood, prior_std: float | Tensor
) -> Callable[[Tensor], Tensor]:
    """log p(targets, w | inputs) of a network as a function of its weights_D: log-likelihood plus log N(w; 0, prior_std²).

    `prior_std` is one number, or one for every weight. Raises TypeError or ValueError where
    it is not positive or the data do not fit. Later training of the model does not change the density.
    """
    model = snapshot(model)  # with dropout on it would be another density at each call
    check_fit(model, inputs, targets, log_likelihood)
    prior_std_D = prior_of(model, prior_std)
    constant = -prior_std_D.log().sum() - 0.5 * len(prior_std_D) * math.log(2 * math.pi)

    def log_density(weights_D: Tensor) -> Tensor:
        outputs_N = one_pass(model, inputs, named_weights(model, weights_D))
        return log_likelihood(outputs_N, targets) - 0.5 * (weights_D / prior_std_D).square().sum() + constant

    return log_density


def prior_of(model: nn.Module, prior_std: float | Tensor) -> Tensor:
    """prior_std_D, one standard deviation for every weight. Raises ValueError where they do not fit or are not positive."""
    weights_D = weight_vector(model)
    prior_std_D = torch.as_tensor(prior_std, dtype=weights_D.dtype, device=weights_D.device)
    if prior_std_D.dim() > 1 or (prior_std_D.dim() == 1 and len(prior_std_D) != len(weights_D)):
        raise ValueError(
            f"prior_std: expected one number or one for each of {len(weights_D)} weights, got {prior_std_D.shape}"
        )
    if not (prior_std_D > 0).all() or not prior_std_D.isfinite().all():
        raise ValueError(f"prior_std: expected finite numbers above 0, got {prior_std}")
    return prior_std_D.expand(len(weights_D))


def fan_in_scaled(model: nn.Module, scale: float = 1.0) -> Tensor:
    """prior_std_D = scale/√fan-in for the matrices and `scale` for the biases (Neal 1996, section 2.1).

    With it a wider layer does not make wilder functions.
    """
    check_number("scale", scale, above=0)
    stds = [
        torch.full((parameter.numel(),), scale / math.sqrt(parameter[0].numel() if parameter.dim() > 1 else 1))
        for parameter in model.parameters()
    ]
    return torch.cat(stds).to(weight_vector(model))


def standard_normal(num_samples: int, like_D: Tensor, generator: Generator | None) -> Tensor:
    """base_K_D from N(0, I), drawn on the CPU so that every device sees the same.

    Without a generator they are those of `stream(0, "weights")`.
    """
    check_whole("num_samples", num_samples, at_least=1)
    generator = generator or stream(0, "weights")
    return torch.randn(num_samples, len(like_D), generator=generator, dtype=like_D.dtype).to(like_D.device)
