"""K passes of a network with K sets of dropout masks, for chunk after chunk of the inputs.

What comes before the first dropout layer is the same in all passes: it is computed once for each input. In a sequential
network the rest runs for all samples together, folded into the batch; any other network runs once for each sample.
Dimensions: N inputs, K samples, C classes; n inputs of a chunk; * any further dimensions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from bal_utils.posteriors import folded_convolution, weights
from bal_utils.posteriors.dropout_masks import (
    Call,
    draw_masks,
    dropout_calls,
    has_dropout,
    is_dropout,
    masks_applied,
    trace,
)
from bal_utils.posteriors.folded_convolution import FoldedConvolution
from bal_utils.posteriors.workspace import Workspace
from bal_utils.runtime import stream

CPU_CHUNK_BYTES = 8 * 2**20  # the activations of a chunk stay in the processor's cache
ACCELERATOR_CHUNK_BYTES = 2**30  # enough work for each kernel launch


def evaluate(
    model: nn.Module,
    inputs: Tensor,
    num_samples: int,
    reduce_outputs: Callable[[Tensor], Tensor],
    generator: Generator | None,
    progress: bool,
) -> Tensor:
    """`reduce_outputs` of outputs_n_K_* for every chunk of n inputs."""
    check_inputs(inputs)
    check_samples(num_samples, generator)
    device = device_of(model)
    with torch.no_grad(), evaluation_mode(model):
        calls = trace(model, inputs[:1].to(device))
        masked = dropout_calls(model, calls)
        masks = [mask.to(device) for mask in draw_masks(masked, num_samples, generator or stream(0, "masks"))]
        trunk, tail = _split(model)
        together = all(is_dropout(stage) or not has_dropout(stage) for stage in tail)
        copied_from = masked[0].module  # where what is the same for all samples ends
        if together and (folded := folded_convolution.match(tail)):
            tail, copied_from = [folded, *tail[folded.num_stages :]], folded.conv
        evaluate_tail = partial(_all_samples_together, Workspace()) if together else _sample_after_sample
        widest = _widest(calls, copied_from, num_samples if together else 1)

        def all_passes(chunk: Tensor) -> Tensor:
            return reduce_outputs(evaluate_tail(tail, _run(trunk, chunk), masks))

        return map_chunks(all_passes, model, inputs, widest, progress)


def _widest(calls: Sequence[Call], copied_from: nn.Module, copies: int) -> int:
    """The most numbers that one input needs at once, where there are copies of all from one module on."""
    first = next(position for position, call in enumerate(calls) if call.module is copied_from)
    return max(call.numel * (copies if position >= first else 1) for position, call in enumerate(calls))


def _split(model: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """The stages before the first dropout layer, whose output all samples share, and the others."""
    stages = _stages(model)
    first = next(position for position, stage in enumerate(stages) if has_dropout(stage))
    return stages[:first], stages[first:]


def _stages(module: nn.Module) -> list[nn.Module]:
    """The parts of nested `nn.Sequential`s in the order in which they run; any other module is one stage."""
    plain = type(module).forward is nn.Sequential.forward and not (module._forward_hooks or module._forward_pre_hooks)
    return [stage for child in module for stage in _stages(child)] if plain else [module]


def _all_samples_together(workspace: Workspace, tail: Sequence, hidden_n: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """The tail of a sequential network with the samples folded into its batch, [n K, *], input after input."""
    n, hidden, remaining = len(hidden_n), hidden_n, iter(masks)
    for position, stage in enumerate(tail):
        if isinstance(stage, FoldedConvolution):
            hidden = stage(hidden, next(remaining), next(remaining))
        elif is_dropout(stage):
            mask_K = next(remaining)
            masked_n_K = workspace.empty(f"masked {position}", n, len(mask_K), *hidden.shape[1:], like=hidden)
            hidden = torch.mul(hidden.contiguous().unflatten(0, (n, -1)), mask_K, out=masked_n_K).flatten(0, 1)
        else:
            hidden = stage(hidden)
    return hidden.unflatten(0, (n, -1))


def _sample_after_sample(tail: Sequence[nn.Module], hidden_n: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """One pass of the tail for each sample, whatever modules it is made of."""
    passes = []
    for sample_masks in zip(*masks, strict=True):
        with masks_applied(tail, sample_masks):
            passes.append(_run(tail, hidden_n.clone()))  # a stage may work in place
    return torch.stack(passes, dim=1)


def _run(stages: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    for stage in stages:
        hidden = stage(hidden)
    return hidden


def map_chunks(
    function: Callable[[Tensor], Tensor], model: nn.Module, inputs: Tensor, widest: int, progress: bool
) -> Tensor:
    """`function` of all inputs, as many at a time as keep activations of `widest` numbers an input within the budget."""
    device = device_of(model)
    budget = CPU_CHUNK_BYTES if device.type == "cpu" else ACCELERATOR_CHUNK_BYTES
    size = max(1, budget // (4 * widest))
    results_N = None
    with tqdm(total=len(inputs), desc="sampling", unit="input", disable=not progress) as bar:
        for start in range(0, len(inputs), size):
            result_n = function(inputs[start : start + size].to(device))
            if results_N is None:
                results_N = result_n.new_empty(len(inputs), *result_n.shape[1:])
            results_N[start : start + size] = result_n
            bar.update(len(result_n))
    return results_N


def device_of(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while this is open; afterwards every module has its own flag back."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag


def check_inputs(inputs: Tensor) -> None:
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs: expected a tensor, got {type(inputs).__name__}")
    if inputs.numel() == 0 or inputs.dim() == 0:
        raise ValueError(
            f"inputs: expected at least one input along the first dimension, got shape {tuple(inputs.shape)}"
        )


def check_samples(num_samples: int, generator: Generator | None) -> None:
    weights.check_samples(num_samples)
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(
            f"generator: expected one on the CPU, so that masks are the same everywhere, got {generator.device}"
        )
