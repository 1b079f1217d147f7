"""Monte Carlo dropout: a network with dropout left on is a sample from an approximate posterior (arXiv:1506.02142).

The K masks are drawn once and shared by all inputs ("consistent"), so that sample k is one function, the same for every
input: joint quantities over several inputs, such as BatchBALD's (arXiv:1906.08158), need that. Masks come from a CPU
generator and depend on neither the device, the number of inputs nor the chunks: scoring a pool piece by piece with
generators of the same seed gives what scoring it whole gives. The first k of K samples are the samples of a run with k.

Dimensions: N inputs, K samples, C classes; n inputs of a chunk; * any further dimensions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from tqdm.auto import tqdm

from bal_utils.information import log_mean_exp
from bal_utils.posteriors import folded_convolution
from bal_utils.runtime import stream

CHANNEL_DROPOUT = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
CPU_CHUNK_BYTES = 16 * 2**20  # the activations of a chunk stay in the processor's cache
ACCELERATOR_CHUNK_BYTES = 2**30  # enough work for each kernel launch


def sample_log_probs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """log p(y | x, w_k) for K dropout masks w_k, each shared by all inputs.

    `model` returns logits_n_C. Without a generator the masks are those of `stream(0, "masks")`.
    Returns log_probs_N_K_C on the model's device. Raises as `sample_outputs` does, and ValueError where the model's
    output is not logits_n_C.
    """
    return _evaluate(model, inputs, num_samples, _log_softmax, generator, progress)


def predict_log_probs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """log 1/K Σ_k p(y | x, w_k), the prediction averaged over the same samples as `sample_log_probs`.

    Returns log_probs_N_C without holding log_probs_N_K_C; raises as `sample_log_probs` does.
    """

    def average(outputs_n_K_C: Tensor) -> Tensor:
        return log_mean_exp(_log_softmax(outputs_n_K_C), dim=1)

    return _evaluate(model, inputs, num_samples, average, generator, progress)


def sample_outputs(
    model: nn.Module, inputs: Tensor, num_samples: int, *, generator: Generator | None = None, progress: bool = False
) -> Tensor:
    """The model's outputs as they come, for regression: f(x, w_k) for K dropout masks w_k shared by all inputs.

    Any module that treats the examples along its first dimension independently, with Dropout, Dropout1d, Dropout2d or
    Dropout3d layers, called in the same order for every input. Everything but dropout runs in evaluation mode.
    Returns outputs_N_K_* on the model's device; inputs are moved there chunk by chunk.
    Raises TypeError or ValueError where num_samples is not a whole number of at least 1, inputs are empty,
    the generator is not on the CPU, or the model has no dropout layer or one that cannot be masked.
    """
    return _evaluate(model, inputs, num_samples, lambda outputs: outputs, generator, progress)


def deterministic_log_probs(model: nn.Module, inputs: Tensor) -> Tensor:
    """log p(y | x, w) of the one network with dropout off: log_probs_N_1_C on the model's device."""
    _check_inputs(inputs)
    with torch.no_grad(), _evaluation_mode(model):
        calls = _trace(model, inputs)
        chunk_size = _chunk_size(max(call.numel for call in calls), _device(model))
        return _map_chunks(lambda chunk: _log_softmax(model(chunk).unsqueeze(1)), model, inputs, chunk_size, False)


def _evaluate(
    model: nn.Module,
    inputs: Tensor,
    num_samples: int,
    reduce_outputs: Callable[[Tensor], Tensor],
    generator: Generator | None,
    progress: bool,
) -> Tensor:
    _check_inputs(inputs)
    _check_samples(num_samples, generator)
    with torch.no_grad(), _evaluation_mode(model):
        calls = _trace(model, inputs)
        dropout_calls = _check_dropout(model, calls)
        masks = [mask.to(_device(model)) for mask in _draw_masks(dropout_calls, num_samples, generator)]
        trunk, tail = _split(model)
        together = all(isinstance(stage, _DropoutNd) or not _has_dropout(stage) for stage in tail)
        evaluate = _all_samples_together if together else _sample_after_sample
        first = calls.index(dropout_calls[0])
        shared, repeated = (max((call.numel for call in part), default=0) for part in (calls[:first], calls[first:]))
        widest = max(shared, repeated * num_samples if together else repeated)
        return _map_chunks(
            lambda chunk: reduce_outputs(evaluate(tail, _run(trunk, chunk), masks)),
            model,
            inputs,
            _chunk_size(widest, _device(model)),
            progress,
        )


def _all_samples_together(tail: Sequence[nn.Module], hidden_n: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """The tail of a sequential network with samples folded into its batch: [n K, *], input after input."""
    n, hidden, remaining = len(hidden_n), hidden_n.contiguous(), iter(masks)
    if folded := folded_convolution.match(tail):
        hidden = folded(hidden, next(remaining), next(remaining))
        tail = tail[folded.num_stages :]
    for stage in tail:
        if isinstance(stage, _DropoutNd):
            hidden = (hidden.unflatten(0, (n, -1)) * next(remaining)).flatten(0, 1)
        else:
            hidden = stage(hidden)
    return hidden.unflatten(0, (n, -1))


def _sample_after_sample(tail: Sequence[nn.Module], hidden_n: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """One pass of the tail for each sample, whatever modules it is made of."""
    passes = []
    for sample_masks in zip(*masks, strict=True):
        with _masks_applied(tail, sample_masks):
            passes.append(_run(tail, hidden_n))
    return torch.stack(passes, dim=1)


@contextmanager
def _masks_applied(stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> Iterator[None]:
    """While this is open, the i-th call of a dropout layer multiplies by the i-th mask."""
    remaining = iter(masks)
    layers = dict.fromkeys(module for stage in stages for module in stage.modules() if isinstance(module, _DropoutNd))
    hooks = [layer.register_forward_hook(lambda module, args, output: output * next(remaining)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while this is open; afterwards every module has its own flag back."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of a module without children while one example passes through the network."""

    module: nn.Module
    output: Tensor

    @property
    def numel(self) -> int:
        return self.output.numel()
