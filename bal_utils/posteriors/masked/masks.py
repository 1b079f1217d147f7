"""Dropout masks that are drawn once, kept, and put in the place of a network's own random ones.

Every dropout layer of PyTorch, and every one derived from it, calls a function in the end, as a forward method may do
itself (`F.dropout(hidden, training=self.training)`). So masks replace the functions, and nothing is dropped twice or missed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from bal_utils.models import one_pass

CHANNEL_DROPOUT = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
OF_FEATURES = (F.dropout, torch.dropout, torch.dropout_)
OF_CHANNELS = (F.dropout1d, F.dropout2d, F.dropout3d, torch.feature_dropout, torch.feature_dropout_)
IN_PLACE = (torch.dropout_, torch.feature_dropout_)
ROUNDING = 1e-3  # of the largest output: a GPU adds up in another order each time


def is_dropout(module: nn.Module) -> bool:
    return isinstance(module, _DropoutNd)


def is_plain(module: nn.Module) -> bool:
    """Whether a module is one of PyTorch's layers with a forward pass of its own, and nobody listens to it."""
    forward = getattr(type(module), "forward", None)
    plain = getattr(forward, "__module__", "").startswith("torch.nn.modules.") and "forward" not in vars(module)
    return plain and not module._forward_hooks and not module._forward_pre_hooks


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

    @property
    def key(self) -> tuple:
        """What two calls of the same dropout have in common."""
        return type(self.module), self.shape


def trace(model: nn.Module, example_1: Tensor) -> list[Call]:
    """The calls of all modules, in the order in which they returned, for a single input.

    Raises TypeError where the model returns anything else than a tensor, or is a script that nobody can look into.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise TypeError("model: expected a module of Python, not a script of it, got a ScriptModule")
    calls = []

    def record(module: nn.Module, args: tuple, output: Tensor) -> None:
        if isinstance(output, Tensor):
            calls.append(Call(module, output.shape, output.dtype))

    hooks = [module.register_forward_hook(record) for module in model.modules()]
    try:
        one_pass(model, example_1)
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


class _Dropping(TorchFunctionMode):
    """While this is open, `replacement(hidden, kind, p, training)` stands for the calls of all dropout functions."""

    def __init__(self, replacement: Callable[[Tensor, type[nn.Module], float, bool], Tensor]) -> None:
        super().__init__()
        self.replacement = replacement

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function not in OF_FEATURES + OF_CHANNELS:
            return function(*args, **(kwargs or {}))
        return self._replaced(function, *args, **(kwargs or {}))

    def _replaced(
        self,
        function: Any,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        train: bool | None = None,  # the third argument's other name
    ) -> Tensor:
        kind = nn.Dropout2d if function in OF_CHANNELS else nn.Dropout
        output = self.replacement(input, kind, p, training if train is None else train)
        return input.copy_(output) if inplace or function in IN_PLACE else output


def masked_calls(model: nn.Module, calls: Sequence[Call], example_1: Tensor) -> tuple[list[Call], bool]:
    """What is to be masked, in order, and whether all of it is in PyTorch's own layers, which may be replaced as a whole.

    A model whose forward passes are all PyTorch's is known by its structure. Where somebody wrote one, an example passes
    in training mode with its dropout replaced: what is still random there is none that masks know.
    Raises ValueError for that, and as `dropout_calls` does. `model` is in evaluation mode.
    """
    if all(is_plain(module) for module in model.modules()):
        return dropout_calls(model, calls), True
    found = _calls_in_training(model, example_1)
    num_plain = sum(is_dropout(call.module) and is_plain(call.module) for call in calls)
    return dropout_calls(model, found), num_plain == len(found)


def _calls_in_training(model: nn.Module, example_1: Tensor) -> list[Call]:
    """The calls of dropout functions in training mode, once it is clear that evaluation mode makes the same ones."""
    evaluated, _ = _function_calls(model, example_1)
    written = [part for part in model.modules() if not is_plain(part) and not isinstance(part, _NormBase)]
    switched = [*written, *filter(is_dropout, model.modules())]
    before, passes = _random_state(example_1.device), []
    for _ in range(2):
        with _buffers_kept(model):
            for module in switched:
                module.training = True  # its own flag: layers that normalise by the batch stay as they are
            passes.append(_function_calls(model, example_1))
            model.eval()
    (found, output), (_, again) = passes
    drawn = not all(map(torch.equal, before, _random_state(example_1.device)))
    if drawn or (output - again).abs().max() > ROUNDING * output.abs().max():
        raise ValueError(
            "model: expected all that is random to be dropout, in layers or functions of type dropout, dropout1d, "
            "dropout2d or dropout3d; without it, passes in training mode still vary"
        )
    if [call.key for call in found] != [call.key for call in evaluated]:
        raise ValueError(
            f"model: expected dropout to be called in evaluation mode as in training mode, where it is called {len(found)} "
            f"times, got {len(evaluated)}; F.dropout(hidden, training=self.training) does that, `if self.training` does not"
        )
    return found


def _function_calls(model: nn.Module, example_1: Tensor) -> tuple[list[Call], Tensor]:
    """The calls of dropout functions in one pass, each as that of a layer, with p = 0 where it is off; and the output."""
    calls = []

    def record(hidden: Tensor, kind: type[nn.Module], p: float, training: bool) -> Tensor:
        calls.append(Call(kind(p if training else 0.0), hidden.shape, hidden.dtype))
        return hidden.clone()

    with _Dropping(record):
        return calls, one_pass(model, example_1)


def _random_state(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Whatever is written to running statistics while this is open is undone."""
    kept = [
        (part, name, buffer, buffer.clone())
        for part in model.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        for part, name, buffer, values in kept:
            part._buffers[name] = buffer.copy_(values)


@contextmanager
def masks_applied(calls: Sequence[Call], masks: Sequence[Tensor]) -> Iterator[None]:
    """While this is open, the i-th call of a dropout function multiplies by the i-th mask.

    Raises ValueError where a pass calls dropout otherwise than the example did.
    """
    remaining = iter(zip(calls, masks, strict=True))

    def masked(hidden: Tensor, kind: type[nn.Module], p: float, training: bool) -> Tensor:
        call, mask = next(remaining, (None, None))
        if call is None or call.shape[1:] != hidden.shape[1:]:
            raise ValueError("model: expected the same calls of dropout in every pass, got more or other ones")
        return hidden * mask

    with _Dropping(masked):
        yield
    if next(remaining, None) is not None:
        raise ValueError("model: expected the same calls of dropout in every pass, got fewer")
