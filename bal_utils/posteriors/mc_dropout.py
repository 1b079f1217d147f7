"""Monte Carlo dropout: a network with dropout left on is a sample from an approximate posterior (arXiv:1506.02142).

The K masks are drawn once and shared by all inputs ("consistent"), so that sample k is one function, the same for every
input: joint quantities over several inputs, such as BatchBALD's (arXiv:1906.08158), need that. Only `fresh_log_probs` draws
new masks for every input, as a loop of passes in training mode does. Masks come from a CPU
generator and depend on neither the device, the number of inputs nor the chunks: scoring a pool piece by piece with
generators of the same seed gives what scoring it whole gives. The first k of K samples are the samples of a run with k.

Dimensions: N inputs, K samples, C classes; n inputs of a chunk; * any further dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from bal_utils.models import check_inputs, evaluation_mode
from bal_utils.posteriors.base import Posterior, class_log_probs
from bal_utils.posteriors.dropout_regression import (
    DropoutRegression,
    fit_regression,
    predictive_log_likelihood,
    root_mean_squared_error,
)
from bal_utils.posteriors.masked.masks import is_dropout, trace
from bal_utils.posteriors.masked.passes import check_samples, device_of, evaluate, map_chunks, split_at_dropout
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp
from bal_utils.training.fit import global_randomness

__all__ = [
    "DropoutRegression", "MCDropout", "deterministic_log_probs", "enable_dropout", "fit_regression", "fresh_log_probs",
    "predict_log_probs", "predictive_log_likelihood", "root_mean_squared_error", "sample_log_probs", "sample_outputs",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class MCDropout(Posterior):
    """A trained network with dropout left on."""

    model: nn.Module

    def sample_outputs(self, inputs: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """The function `sample_outputs` of this network."""
        return sample_outputs(self.model, inputs, num_samples, generator=generator)


def enable_dropout(model: nn.Module) -> None:
    """Evaluation mode everywhere, then training mode for the dropout layers alone: what "dropout left on" means.

    A pass of the model then draws new masks for every input. BatchNorm keeps using its running statistics and does not
    move them, as it would after `model.train()`. Attention and recurrent layers that drop values themselves take part.
    `F.dropout(…, training=self.training)` in a forward method of yours obeys the flag of that module and stays off.
    `sample_outputs` and its like need none of this, and find that too. Raises ValueError where no dropout layer has p above 0.
    """
    dropping = [module for module in model.modules() if _drops(module)]
    if not dropping:
        raise ValueError(
            "model: expected at least one dropout layer, got none with p above 0; all passes would be equal"
        )
    model.eval()
    # a transformer layer in evaluation mode skips the dropout layers inside it
    transformers = [
        part for part in model.modules() if isinstance(part, nn.TransformerEncoderLayer) and _has(part, dropping)
    ]
    for module in dropping + transformers:
        module.training = True  # its own flag; `train()` would also switch what it contains


def sample_log_probs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """log p(y | x, w_k) for K dropout masks w_k, each shared by all inputs; `model` returns logits_n_C.

    Without a generator the masks are those of `stream(0, "masks")`.
    Returns log_probs_N_K_C on the model's device; inputs are moved there chunk by chunk.
    Raises as `sample_outputs` does, and ValueError where the model returns something else than logits_n_C.
    """
    return evaluate(model, inputs, num_samples, class_log_probs, generator, progress)


def fresh_log_probs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None
) -> Tensor:
    """log p(y | x, w_k) for K dropout masks drawn anew for every input: a loop of passes with dropout left on.

    The way of most published scripts. Scores of single inputs keep their expectation; as every input has an error of its
    own, the best of a pool repeat each other less. Sample k is no longer one function, so joint scores lose their meaning.
    Without a generator the masks are those of `stream(0, "masks")`; they depend on the device and on the inputs before.
    Returns log_probs_N_K_C on the model's device. Raises as `sample_log_probs` does.
    """
    check_inputs(inputs)
    check_samples(num_samples, generator)
    device = device_of(model)
    seed = torch.randint(2**62, (), generator=generator or stream(0, "masks")).item()
    with torch.no_grad(), evaluation_mode(model), global_randomness(seed, device):
        widest = max(call.numel for call in trace(model, inputs[:1].to(device)))
        enable_dropout(model)
        before, after = split_at_dropout(model)
        if device.type == "cpu":
            after = [_QuickDropout(stage.p) if type(stage) is nn.Dropout else stage for stage in after]
        trunk, tail = nn.Sequential(*before), nn.Sequential(*after)

        def passes(chunk: Tensor) -> Tensor:
            hidden = trunk(chunk).contiguous()
            outputs_n_K_C = torch.stack([tail(hidden.clone()) for _ in range(num_samples)], dim=1)
            return class_log_probs(outputs_n_K_C)

        return map_chunks(passes, model, inputs, widest, progress=False)


class _QuickDropout(nn.Module):
    """Dropout that compares sixteen random bits with p: a fifth of the time of `nn.Dropout` on a processor.

    So p is rounded to a multiple of 2⁻¹⁶.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.threshold, self.scale = round(p * 2**16) - 2**15, 1 / (1 - p) if p < 1 else 0.0

    def forward(self, hidden: Tensor) -> Tensor:
        words = torch.empty(hidden.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: hidden.numel()].view(hidden.shape)
        return hidden * self.scale * (bits >= self.threshold)


def predict_log_probs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """log 1/K Σ_k p(y | x, w_k), the prediction averaged over the samples of `sample_log_probs`.

    Returns log_probs_N_C without holding log_probs_N_K_C. Raises as `sample_log_probs` does.
    """

    def average(outputs_n_K_C: Tensor) -> Tensor:
        return log_mean_exp(class_log_probs(outputs_n_K_C), dim=1)

    return evaluate(model, inputs, num_samples, average, generator, progress)


def sample_outputs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """The outputs f(x, w_k) as they come, for regression: K dropout masks w_k, each shared by all inputs.

    `model` is any module that treats the inputs along its first dimension independently and calls its Dropout,
    Dropout1d, Dropout2d and Dropout3d layers in the same order for each. All but dropout runs in evaluation mode.
    Returns outputs_N_K_* on the model's device.
    Raises TypeError where inputs are not a tensor, ValueError where they are empty, where num_samples is not a whole
    number of at least 1, where the generator is not on the CPU, and where the model has no dropout layer or one that
    cannot be masked.
    """
    return evaluate(model, inputs, num_samples, lambda outputs_n_K: outputs_n_K, generator, progress)


def deterministic_log_probs(model: nn.Module, inputs: Tensor) -> Tensor:
    """log p(y | x, w) of the one network with dropout off: log_probs_N_1_C on the model's device."""
    check_inputs(inputs)
    with torch.no_grad(), evaluation_mode(model):
        widest = max(call.numel for call in trace(model, inputs[:1].to(device_of(model))))
        return map_chunks(
            lambda chunk: class_log_probs(model(chunk).unsqueeze(1)), model, inputs, widest, progress=False
        )


def _drops(module: nn.Module) -> bool:
    """Whether a module drops anything in training mode: a dropout layer, or attention and recurrence with their own."""
    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        return module.dropout > 0
    return is_dropout(module) and module.p > 0


def _has(module: nn.Module, parts: Sequence[nn.Module]) -> bool:
    return any(part in parts for part in module.modules())
