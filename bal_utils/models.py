"""The networks of the course: plain `nn.Sequential`s that return logits, so that printing one shows all of it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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
        _check_dropout(dropout)
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
        _check_image_size(image_size, minimum=2 * kernel_size)
        after_convolutions, after_dense = dropout
        _check_dropout(after_convolutions)
        _check_dropout(after_dense)
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


def glorot_uniform(model: nn.Module) -> nn.Module:
    """The same module with new weights, U(-a, a) with a² = 6 / (inputs + outputs) (Glorot & Bengio 2010), and biases of 0.

    What Keras does where nothing is said. Draws from the global generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return model


class KirschCNN(nn.Sequential):
    """The convolutional network of Kirsch, van Amersfoort & Gal 2019 (arXiv:1906.08158), which drops whole channels.

    Takes images_N_1_H_W, H = W = `image_size` of at least 16, and returns logits_N_C.
    Raises ValueError for a size out of range.
    """

    def __init__(self, num_classes: int = 10, *, image_size: int = 28) -> None:
        _check_sizes(num_classes=num_classes)
        _check_image_size(image_size, minimum=16)
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


def last_linear(model: nn.Module) -> str:
    """The name of the network's last linear layer. Raises ValueError where it has none."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError(f"model: expected a linear layer at the end, {type(model).__name__} has none")
    return names[-1]


@torch.no_grad()
def penultimate(model: nn.Module, inputs: Tensor) -> Tensor:
    """features_N_F: what enters the last linear layer, dropout off; inputs move to the model's device chunk by chunk."""
    caught: list[Tensor] = []
    layer = model.get_submodule(last_linear(model))
    hook = layer.register_forward_pre_hook(lambda module, arguments: caught.append(arguments[0]))
    try:
        model.eval()
        for part in inputs.split(FEATURE_CHUNK):
            model(part.to(layer.weight.device))
    finally:
        hook.remove()
    return torch.cat(caught)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {size!r}")


def _check_image_size(image_size: int, minimum: int) -> None:
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < minimum:
        raise ValueError(
            f"image_size: expected a whole number of at least {minimum} pixels, below which the convolutions "
            f"and poolings leave nothing, got {image_size!r}"
        )


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected a probability in [0, 1), got {dropout!r}")
