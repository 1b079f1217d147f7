"""Dropout masks that are drawn once, kept, and put in the place of a network's own random ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

CHANNEL_DROPOUT = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def is_dropout(module: nn.Module) -> bool:
    return isinstance(module, _DropoutNd)


def has_dropout(module: nn.Module) -> bool:
    return any(is_dropout(part) for part in module.modules())


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module while a single example passes through the network, and what it returned."""

    module: nn.Module
    shape: torch.Size
    dtype: torch.dtype

    @property
    def numel(self) -> int:
        return self.shape.numel()

    @property
    def mask_shape(self) -> torch.Size:
        """One number for each feature, or for each channel."""
        features = self.shape[1:]
        return features[:1] + (1,) * len(features[1:]) if isinstance(self.module, CHANNEL_DROPOUT) else features


def trace(model: nn.Module, example_1: Tensor) -> list[Call]:
    """The calls of all modules, in the order in which they returned, for a single input.

    Raises TypeError where the model returns anything else than a tensor.
    """
    calls = []

    def record(module: nn.Module, args: tuple, output: Tensor) -> None:
        if isinstance(output, Tensor):
            calls.append(Call(module, output.shape, output.dtype))

    hooks = [module.register_forward_hook(record) for module in model.modules()]
    try:
        model(example_1)
    finally:
        for hook in hooks:
            hook.remove()
    if not calls or calls[-1].module is not model:
        raise TypeError(f"model: expected one that returns a tensor, {type(model).__name__} does not")
    return calls


def draw_masks(calls: Sequence[Call], num_samples: int, generator: Generator) -> list[Tensor]:
    """For each dropout call a mask_K_* on the CPU: 0 with probability p, else 1 / (1 - p).

    Drawn sample after sample, so that the first k of K samples are those of a run with k.
    """
    kept = [torch.empty(num_samples, *call.mask_shape, dtype=torch.bool) for call in calls]
    for sample in range(num_samples):
        for call, kept_K in zip(calls, kept, strict=True):
            kept_K[sample] = torch.rand(call.mask_shape, generator=generator) >= call.module.p
    # with p = 1 nothing is kept, and nothing is to be scaled
    scales = [1 / (1 - call.module.p) if call.module.p < 1 else 1.0 for call in calls]
    return [kept_K.to(call.dtype) * scale for call, kept_K, scale in zip(calls, kept, scales, strict=True)]


def dropout_calls(model: nn.Module, calls: Sequence[Call]) -> list[Call]:
    """The calls of dropout layers. Raises ValueError where there is none, or dropout that a mask cannot replace."""
    for name, module in model.named_modules():
        hidden_dropout = isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
        if hidden_dropout or isinstance(module, nn.AlphaDropout | nn.FeatureAlphaDropout):
            raise ValueError(
                f"model: expected dropout in layers of its own, of type Dropout, Dropout1d, Dropout2d or Dropout3d, "
                f"got {type(module).__name__} at {name!r}"
            )
    found = [call for call in calls if is_dropout(call.module)]
    if not found:
        raise ValueError("model: expected at least one dropout layer, without which all samples are equal, got none")
    for call in found:
        if call.shape[0] != 1:
            raise ValueError(
                f"model: expected dropout layers to see inputs along their first dimension, "
                f"got shape {tuple(call.shape)} for a single input"
            )
    return found


@contextmanager
def masks_applied(stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> Iterator[None]:
    """While this is open, the i-th call of a dropout layer multiplies by the i-th mask."""
    remaining = iter(masks)
    layers = dict.fromkeys(module for stage in stages for module in stage.modules() if is_dropout(module))
    hooks = [layer.register_forward_hook(lambda module, args, output: output * next(remaining)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
