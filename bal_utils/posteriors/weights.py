"""A posterior as a set of weights: one network, run with K different sets of them.

Ensembles, NUTS, Laplace's approximation and Bayes by Backprop differ in how they come by the weights; what is done with
them is here. Sample k is one function, the same for every input, as BatchBALD needs.
Dimensions: N inputs, K samples, D weights, C classes; n inputs of a chunk; * any further dimensions.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import vector_to_parameters

from bal_utils.runtime import stream

LogLikelihood = Callable[[Tensor, Tensor], Tensor]
CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class WeightSamples:
    """K sets of weights for one network, all equally likely."""

    model: nn.Module
    weights_K_D: Tensor

    def network(self, number: int = 0) -> nn.Module:
        """One of the K networks as a module of its own, in evaluation mode."""
        model = copy.deepcopy(self.model).eval()
        vector_to_parameters(self.weights_K_D[number].clone(), model.parameters())
        return model


def weight_vector(model: nn.Module) -> Tensor:
    """All weights of a network in one row, weights_D, in the order of `model.parameters()`."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


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
    """f(x, w_k) for every row of weights at once, as a differentiable function of them: outputs_K_n_*."""
    model.eval()
    return vmap(lambda weights: functional_call(model, weights, (inputs_n,)))(named_weights(model, weights_K_D))


def sample_outputs(samples: WeightSamples, inputs: Tensor) -> Tensor:
    """The outputs f(x, w_k) of all K networks: outputs_N_K_* on the device of the weights.

    Works through the inputs in chunks that keep memory bounded. Raises ValueError where there are no inputs.
    """
    if len(inputs) == 0:
        raise ValueError("inputs: expected at least one, got none")
    weights_K_D = samples.weights_K_D
    widest = max(parameter.shape[0] if parameter.dim() else 1 for parameter in samples.model.parameters())
    widest *= inputs[0, 0].numel() if inputs.dim() == 4 else 1  # a convolution keeps about as many pixels
    size = max(1, CHUNK_BYTES // (4 * widest * len(weights_K_D)))
    with torch.no_grad():
        chunks = [outputs_with(samples.model, weights_K_D, part.to(weights_K_D.device)) for part in inputs.split(size)]
    return torch.cat(chunks, dim=1).transpose(0, 1)


def sample_log_probs(samples: WeightSamples, inputs: Tensor) -> Tensor:
    """log p(y | x, w_k) of all K classifiers: log_probs_N_K_C."""
    return sample_outputs(samples, inputs).log_softmax(dim=-1)


def categorical(logits_N_C: Tensor, labels_N: Tensor) -> Tensor:
    """log p(labels | logits), summed over the inputs, in nats."""
    return -F.cross_entropy(logits_N_C, labels_N, reduction="sum")


def gaussian(noise_std: float) -> LogLikelihood:
    """The log-likelihood of targets y ~ N(f(x), noise_std²), summed over the inputs, in nats.

    Raises ValueError where the standard deviation is not a finite number above 0.
    """
    check_positive("noise_std", noise_std)

    def log_likelihood(outputs_N: Tensor, targets_N: Tensor) -> Tensor:
        errors_N = (targets_N - outputs_N.reshape(targets_N.shape)) / noise_std
        return -0.5 * errors_N.square().sum() - targets_N.numel() * math.log(noise_std * math.sqrt(2 * math.pi))

    return log_likelihood


def log_joint(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, log_likelihood: LogLikelihood, prior_std: float | Tensor
) -> Callable[[Tensor], Tensor]:
    """log p(targets, w | inputs) of a network as a function of its weights_D: log-likelihood plus log N(w; 0, prior_std²).

    `prior_std` is one number, or one for every weight. Raises ValueError where it is not positive.
    """
    model.eval()  # with dropout on it would be another density at each call
    prior_std_D = prior_of(model, prior_std)
    constant = -prior_std_D.log().sum() - 0.5 * len(prior_std_D) * math.log(2 * math.pi)

    def log_density(weights_D: Tensor) -> Tensor:
        outputs_N = functional_call(model, named_weights(model, weights_D), (inputs,))
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
    check_positive("scale", scale)
    stds = [
        torch.full((parameter.numel(),), scale / math.sqrt(parameter[0].numel() if parameter.dim() > 1 else 1))
        for parameter in model.parameters()
    ]
    return torch.cat(stds).to(weight_vector(model))


def standard_normal(num_samples: int, like_D: Tensor, generator: Generator | None) -> Tensor:
    """base_K_D from N(0, I), drawn on the CPU so that every device sees the same.

    Without a generator they are those of `stream(0, "weights")`.
    """
    generator = generator or stream(0, "weights")
    return torch.randn(num_samples, len(like_D), generator=generator, dtype=like_D.dtype).to(like_D.device)


def check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")


def check_samples(num_samples: int) -> None:
    if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
        raise ValueError(f"num_samples: expected a whole number of at least 1, got {num_samples!r}")
