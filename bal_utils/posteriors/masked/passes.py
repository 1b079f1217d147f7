"""K passes of a network with K sets of dropout masks, for chunk after chunk of the inputs.

What comes before the first dropout layer is the same in all passes: it is computed once for each input. In a sequential
network the rest runs for all samples together, folded into the batch; where the first dropout and what follows it are of
a known kind, that part runs without what each sample drops. Any other network runs once for each sample.
Dimensions: N inputs, K samples, C classes; n inputs of a chunk; * any further dimensions.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from bal_utils.checks import check_whole
from bal_utils.models import check_inputs, evaluation_mode, spare_random_state
from bal_utils.posteriors.masked import convolution as folded_convolution
from bal_utils.posteriors.masked import linear as thinned_linear
from bal_utils.posteriors.masked.masks import (
    Call,
    draw_masks,
    has_dropout,
    is_dropout,
    masked_calls,
    masks_applied,
    trace,
)
from bal_utils.posteriors.masked.workspace import Workspace
from bal_utils.runtime import stream

PROCESSORS = ("cpu",)  # have caches to stay in, and no launches of kernels to wait for
CPU_CHUNK_BYTES = 8 * 2**20  # the activations of a chunk stay in the processor's cache
THINNED_CHUNKS = 4  # times as long where one sample is computed after the other: matrix products need long rows
ACCELERATOR_CHUNK_BYTES = 2**32  # enough work for each kernel launch
ACCELERATOR_STEP, MOST_AT_ONCE = 64, 8192  # inputs: long rows of even length have the fastest kernels
SHARE_OF_FREE_MEMORY = 16  # of which a chunk takes one, because several copies of it live at once


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
        example_1 = inputs[:1].to(device)
        with spare_random_state(device):  # there is dropout that is always on
            calls = trace(model, example_1)
            masked, in_layers = masked_calls(model, calls, example_1)
        masks = [mask.to(device) for mask in draw_masks(masked, num_samples, generator or stream(0, "masks"))]
        trunk, tail = split_at_dropout(model) if in_layers else ([], [model])
        together = in_layers and all(is_dropout(stage) or not has_dropout(stage) for stage in tail)
        passes = SamplesTogether(tail, masks) if together else _SampleAfterSample(tail, masked, masks)

        def all_passes(chunk: Tensor) -> Tensor:
            return reduce_outputs(passes(_run(trunk, chunk)))

        return map_chunks(all_passes, model, inputs, passes.widest(calls), progress, passes.chunks)


def split_at_dropout(model: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """The stages before the first dropout layer, whose output all samples share, and the others."""
    stages = _stages(model)
    first = next(
        (position for position, stage in enumerate(stages) if has_dropout(stage)), 0
    )  # none: dropout of another kind
    return stages[:first], stages[first:]


def _stages(module: nn.Module) -> list[nn.Module]:
    """The parts of nested `nn.Sequential`s in the order in which they run; any other module is one stage."""
    plain = type(module).forward is nn.Sequential.forward and not (module._forward_hooks or module._forward_pre_hooks)
    return [stage for child in module for stage in _stages(child)] if plain else [module]


class SamplesTogether:
    """The tail of a sequential network with the samples folded into its batch, [n K, *], input after input."""

    def __init__(self, tail: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
        self.copied_from, self.num_samples, self.workspace = tail[0], len(masks[0]), Workspace()
        kind = masks[0].device.type
        matches = [] if torch.is_autocast_enabled(kind) else [folded_convolution.match, thinned_linear.match]
        found = (match(tail, masks, kind not in PROCESSORS) for match in matches)
        self.thinned = next(filter(None, found), None)
        self.chunks = THINNED_CHUNKS if self.thinned else 1
        if self.thinned:
            self.copied_from = tail[self.thinned.num_stages - 1]
            tail, masks = tail[self.thinned.num_stages :], masks[self.thinned.num_masks :]
        self.tail, self.masks = tail, masks

    def widest(self, calls: Sequence[Call]) -> int:
        """The most numbers that one input needs at once."""
        first = next(position for position, call in enumerate(calls) if call.module is self.copied_from)
        copied = [call.numel * (self.num_samples if position >= first else 1) for position, call in enumerate(calls)]
        return max(*copied, self.thinned.widest(calls) if self.thinned else 0)

    def __call__(self, hidden_n: Tensor) -> Tensor:
        n, remaining = len(hidden_n), iter(self.masks)
        hidden = self.thinned(hidden_n) if self.thinned else hidden_n
        for position, stage in enumerate(self.tail):
            if is_dropout(stage):
                mask_K = next(remaining)
                masked_n_K = self.workspace.empty(f"masked {position}", n, len(mask_K), *hidden.shape[1:], like=hidden)
                hidden = torch.mul(hidden.contiguous().unflatten(0, (n, -1)), mask_K, out=masked_n_K).flatten(0, 1)
            else:
                hidden = stage(hidden)
        return hidden.unflatten(0, (n, -1))


class _SampleAfterSample:
    """One pass of the tail for each sample, whatever modules it is made of."""

    chunks = 1

    def __init__(self, tail: Sequence[nn.Module], masked: Sequence[Call], masks: Sequence[Tensor]) -> None:
        self.tail, self.masked, self.masks = tail, masked, masks

    def widest(self, calls: Sequence[Call]) -> int:
        return max(call.numel for call in calls)

    def __call__(self, hidden_n: Tensor) -> Tensor:
        passes = []
        for sample_masks in zip(*self.masks, strict=True):
            with masks_applied(self.masked, sample_masks):
                passes.append(_run(self.tail, hidden_n.clone()))  # a stage may work in place
        return torch.stack(passes, dim=1)


def _run(stages: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    for stage in stages:
        hidden = stage(hidden)
    return hidden


def map_chunks(
    function: Callable[[Tensor], Tensor],
    model: nn.Module,
    inputs: Tensor,
    widest: int,
    progress: bool,
    cpu_chunks: int = 1,
) -> Tensor:
    """`function` of all inputs, as many at a time as keep activations of `widest` numbers an input within the budget.

    Each chunk is a copy, because a network may work in place. Images come channels last on a processor: there convolution
    and max-pooling are several times faster so.
    """
    device = device_of(model)
    on_cpu = device.type == "cpu"
    budget = cpu_chunks * CPU_CHUNK_BYTES if on_cpu else _accelerator_budget(device)
    layout = torch.channels_last if on_cpu and inputs.dim() == 4 else torch.preserve_format
    size = max(1, budget // (4 * widest))
    if not on_cpu and size > ACCELERATOR_STEP:
        size = min(size, MOST_AT_ONCE) // ACCELERATOR_STEP * ACCELERATOR_STEP
    results_N = None
    with tqdm(total=len(inputs), desc="sampling", unit="input", disable=not progress) as bar:
        for start in range(0, len(inputs), size):
            chunk = inputs[start : start + size].to(device, memory_format=layout)
            result_n = function(
                chunk.clone()
            )  # keeps the strides, by which convolutions are chosen; `copy=True` does not
            if results_N is None:
                results_N = result_n.new_empty(len(inputs), *result_n.shape[1:])
            results_N[start : start + size] = result_n
            bar.update(len(result_n))
    return results_N


def _accelerator_budget(device: torch.device) -> int:
    """Bytes for the activations of a chunk: less where a GPU has little memory left."""
    if device.type != "cuda":
        return ACCELERATOR_CHUNK_BYTES // SHARE_OF_FREE_MEMORY
    free, _ = torch.cuda.mem_get_info(device)
    return min(ACCELERATOR_CHUNK_BYTES, free // SHARE_OF_FREE_MEMORY)


def device_of(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def check_samples(num_samples: int, generator: Generator | None) -> None:
    check_whole("num_samples", num_samples, at_least=1)
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(
            f"generator: expected one on the CPU, so that masks are the same everywhere, got {generator.device}"
        )
