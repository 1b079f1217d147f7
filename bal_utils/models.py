"""The networks of the course: plain `nn.Sequential`s that return logits, so that printing one shows all of it."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from bal_utils.checks import check_number, check_whole

FEATURE_CHUNK = 1024


class MLP(nn.Sequential):
    """A multilayer perceptron: flatten, then (linear, ReLU, dropout) for each width of `hidden`, then linear.

    Takes inputs_N_* with `in_features` numbers each and returns logits_N_C, or any `out_features` real outputs.
    Raises ValueError for a size below 1 or a dropout probability outside [0, 1).
    """

    def __init__(
        self, in_features: int, out_features: int, *, hidden: Sequence[int] = (64, 64), dropout: float = 0.5
    ) -> None:
        _check_sizes(in_features=in_features, out_features=out_features)
        for width in hidden:
            _check_sizes(hidden=width)
        check_number("dropout", dropout, at_least=0, below=1)
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU(), nn.Dropout(dropout)]
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, out_features))


class GalCNN(nn.Sequential):
    """The convolutional network of Gal, Islam & Ghahramani 2017 (arXiv:1703.02910).

    Takes images_N_1_H_W, H = W = `image_size` of at least 2·`kernel_size`, and returns logits_N_C. The two probabilities of
    `dropout` follow the convolutions and the dense layer. The paper says kernels of 4 pixels; the scripts that one of its
    authors published have 3. Raises ValueError for a size or a probability out of range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        *,
        image_size: int = 28,
        kernel_size: int = 4,
        dropout: tuple[float, float] = (0.25, 0.5),
    ) -> None:
        _check_sizes(num_classes=num_classes, kernel_size=kernel_size)
        check_whole("image_size", image_size, at_least=2 * kernel_size)  # below, the layers leave nothing
        after_convolutions, after_dense = dropout
        for share in dropout:
            check_number("dropout", share, at_least=0, below=1)
        pooled = (image_size - 2 * (kernel_size - 1)) // 2
        super().__init__(
            nn.Conv2d(1, 32, kernel_size),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(after_convolutions),
            nn.Flatten(),
            nn.Linear(32 * pooled**2, 128),
            nn.ReLU(),
            nn.Dropout(after_dense),
            nn.Linear(128, num_classes),
        )


def glorot_uniform(model: nn.Module, *, as_keras_2016: bool = False) -> nn.Module:
    """The same module with new weights, U(-a, a) with a² = 6 / (inputs + outputs) (Glorot & Bengio 2010), and biases of 0.

    A convolution has as many outputs as channels times places of its kernel. `as_keras_2016` counts the channels alone, as
    Keras did until May 2016 (keras-team/keras, pull request 2252): a first layer of 32 kernels of 3×3 then begins 2.7 times
    as large. Draws from the global generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            weight = module.weight
            outputs = len(weight) if as_keras_2016 else len(weight) * weight[0, 0].numel()
            limit = math.sqrt(6 / (weight[0].numel() + outputs))
            nn.init.uniform_(weight, -limit, limit)
            nn.init.zeros_(module.bias)
    return model


class KirschCNN(nn.Sequential):
    """The convolutional network of Kirsch, van Amersfoort & Gal 2019 (arXiv:1906.08158), which drops whole channels.

    Takes images_N_1_H_W, H = W = `image_size` of at least 16, and returns logits_N_C.
    Raises ValueError for a size out of range.
    """

    def __init__(self, num_classes: int = 10, *, image_size: int = 28) -> None:
        _check_sizes(num_classes=num_classes)
        check_whole("image_size", image_size, at_least=16)  # below, the layers leave nothing
        pooled = ((image_size - 4) // 2 - 4) // 2
        super().__init__(
            nn.Conv2d(1, 32, kernel_size=5),
            nn.Dropout2d(0.5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=5),
            nn.Dropout2d(0.5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * pooled**2, 128),
            nn.Dropout(0.5),
            nn.ReLU(),
            nn.Linear(128, num_classes),
        )


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while this is open; afterwards every module has its own flag back.

    Raises ValueError for layers that normalise by the batch even then: an output would depend on its neighbours.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(f"model: expected batch normalisation with running statistics, {name!r} keeps none")
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag


def spare_random_state(device: torch.device) -> AbstractContextManager[None]:
    """While this is open, what is drawn from the global generators of the CPU and of `device` is put back afterwards."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def one_pass(model: nn.Module, inputs: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
    """The outputs, from a copy of the inputs: a forward pass may change what it gets. `weights` replace the network's own.

    Raises TypeError where a pass fails and the inputs are of another floating type than the weights.
    """
    copied = inputs.clone()
    try:
        return model(copied) if weights is None else functional_call(model, weights, (copied,))
    except RuntimeError as error:
        types = {parameter.dtype for parameter in model.parameters()}
        if types and inputs.dtype not in types:
            named = " and ".join(sorted(map(str, types)))
            raise TypeError(f"inputs: expected {named}, as the weights of the model, got {inputs.dtype}") from error
        raise


def check_inputs(inputs: Tensor) -> None:
    """Raises TypeError or ValueError where inputs are no tensor, or none at all."""
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs: expected a tensor, got {type(inputs).__name__}")
    if inputs.numel() == 0 or inputs.dim() == 0:
        raise ValueError(
            f"inputs: expected at least one input along the first dimension, got shape {tuple(inputs.shape)}"
        )


@torch.no_grad()
def last_linear(model: nn.Module, inputs: Tensor) -> str:
    """The name of the linear layer at the end, found by running the first input: layers may be defined in another order.

    Raises ValueError where no linear layer runs, or one with weights of another kind runs behind it.
    """
    check_inputs(inputs)
    device = next((parameter.device for parameter in model.parameters()), inputs.device)
    with_weights = {name: module for name, module in model.named_modules() if [*module.parameters(recurse=False)]}
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda module, args, output, name=name: ran.append(name))
        for name, module in with_weights.items()
    ]
    try:
        with evaluation_mode(model), spare_random_state(device):
            one_pass(model, inputs[:1].to(device))
    finally:
        for hook in hooks:
            hook.remove()
    if not ran or not isinstance(with_weights[ran[-1]], nn.Linear):
        last = f"{type(with_weights[ran[-1]]).__name__} at {ran[-1]!r}" if ran else "none"
        raise ValueError(f"model: expected a linear layer at the end, got {last}")
    return ran[-1]


@torch.no_grad()
def penultimate(model: nn.Module, inputs: Tensor) -> Tensor:
    """features_N_F: what enters the last linear layer, dropout off; inputs move to the model's device chunk by chunk.

    The layer is that of `last_linear`. The model keeps its mode. Raises TypeError or ValueError as that does.
    """
    layer = model.get_submodule(last_linear(model, inputs))
    entered: list[Tensor] = []
    hook = layer.register_forward_pre_hook(
        lambda module, arguments, named: entered.append(next(iter((*arguments, *named.values())))), with_kwargs=True
    )
    features = []
    try:
        with evaluation_mode(model):
            for part in inputs.split(FEATURE_CHUNK):
                one_pass(model, part.to(layer.weight.device))
                features.append(entered[-1])
                entered.clear()
    finally:
        hook.remove()
    return torch.cat(features)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        check_whole(name, size, at_least=1)
