"""Fitting a network to data that lives on its device: no loaders, early stopping, the best weights kept."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from bal_utils.checks import check_labels, check_number, check_whole
from bal_utils.runtime import stream, stream_seed

VALIDATION_CHUNK = 1024
FUSED_ADAM_DEVICES = ("cpu", "cuda", "mps", "xpu")

StopOn = Literal["nll", "accuracy", "never"]
Precision = Literal["bfloat16"]
STOP_ON: tuple[StopOn, ...] = get_args(StopOn)

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How to train. With `epoch_samples` an epoch is that many draws with replacement, else one pass in random order."""

    learning_rate: float = 1e-3
    batch_size: int = 64
    epoch_samples: int | None = None
    max_epochs: int = 30
    patience: int = 3  # epochs without a better validation before training stops
    weight_decay: float = 0.0
    stop_on: StopOn = (
        "nll"  # the validation loss, whatever loss is given, the accuracy, or never: all epochs, last weights
    )
    dense_penalty: float | None = (
        None  # adds this / N times the squared weights of the hidden linear layers to the loss
    )
    precision: Precision | None = (
        None  # "bfloat16": products are rounded to eight bits, weights are not (arXiv:1710.03740)
    )

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            check_whole(name, getattr(self, name), at_least=1)
        if self.epoch_samples is not None:
            check_whole("epoch_samples", self.epoch_samples, at_least=1)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, at_least=0)
        if self.dense_penalty is not None:
            check_number("dense_penalty", self.dense_penalty, above=0)
        if self.stop_on not in STOP_ON:
            raise ValueError(f"stop_on: expected one of {', '.join(STOP_ON)}, got {self.stop_on!r}")
        if self.precision not in (None, "bfloat16"):
            raise ValueError(f"precision: expected 'bfloat16' or None, got {self.precision!r}")


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What happened: epochs run, the epoch (from 1) whose weights were kept, and the mean losses of each epoch."""

    epochs: int
    best_epoch: int
    training_loss: list[float]  # with dropout on, while the weights move
    validation_loss: list[float]  # with dropout off, after the epoch; empty without a validation set


@dataclass(kw_only=True)
class FitTask:
    """A network with new weights and all that `fit` needs to train it: now, or later and beside others (`lanes`)."""

    model: nn.Module
    inputs: Tensor
    labels: Tensor
    validation: tuple[Tensor, Tensor]
    config: FitConfig
    seed: int
    epochs: int = 0  # how many it took, once the network is trained

    def fit(self) -> None:
        options = {"config": self.config, "seed": self.seed, "validation": self.validation}
        self.epochs = fit(self.model, self.inputs, self.labels, **options).epochs


def initialised(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The module that `factory` builds on the CPU, with initial weights from a random stream of their own.

    They depend on `seed` alone, and the global generator is left as it was.
    """
    with global_randomness(stream_seed(seed, "weights"), torch.device("cpu")):
        return factory()


def fit(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    config: FitConfig,
    seed: int,
    validation: tuple[Tensor, Tensor] | None = None,
    progress: bool = False,
    loss: Loss = F.cross_entropy,
) -> FitResult:
    """Trains `model` in place with Adam (arXiv:1412.6980) and leaves it in evaluation mode.

    `loss(outputs, labels)` is a mean over examples; any targets will do. With `validation` = (inputs, labels), training
    stops after `patience` epochs without improvement and the weights of the best epoch are put back, unless
    `config.stop_on` is "never": then validation is not looked at.
    The order of examples comes from `stream(seed, "batches")`, dropout from the global generators of the CPU or of the
    model's CUDA device, seeded for the time of training and then put back. Same seed, same weights, on one machine.
    Raises TypeError or ValueError where data do not fit together, FloatingPointError where a loss stops being finite.
    """
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)  # convolutions are faster so; other weights stay as they are
    training = checked_examples(model, inputs, labels, loss)
    if config.stop_on == "never":
        validation = None
    if validation is not None:
        validation = checked_examples(model, *validation, loss, kind="validation ")
    with global_randomness(stream_seed(seed, "dropout"), device):
        result = _train(model, training, validation, config, stream(seed, "batches"), loss, progress)
    model.eval()
    return result


def _train(
    model: nn.Module,
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor] | None,
    config: FitConfig,
    batches: Generator,
    loss: Loss,
    progress: bool,
) -> FitResult:
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=training[0].device.type in FUSED_ADAM_DEVICES,
    )
    stopping, best_weights = EarlyStopping(config), None
    training_losses, validation_losses = [], []
    with tqdm(total=config.max_epochs, desc="training", unit="epoch", disable=not progress) as bar:
        for epoch in range(1, config.max_epochs + 1):
            training_losses.append(_run_epoch(model, optimizer, loss, *training, config, batches))
            check_finite("training", training_losses[-1], epoch)
            bar.update()
            if validation is None:
                continue
            validation_loss, error = _validate(model, *validation, loss, config)
            validation_losses.append(validation_loss)
            check_finite("validation", validation_loss, epoch)
            if stopping.keeps(epoch, error):
                best_weights = copy.deepcopy(model.state_dict())
            if stopping.ends(epoch):
                break
    if best_weights is not None:
        model.load_state_dict(best_weights)
    return FitResult(
        epochs=len(training_losses),
        best_epoch=stopping.best_epoch or len(training_losses),
        training_loss=training_losses,
        validation_loss=validation_losses,
    )


class EarlyStopping:
    """When training ends and which weights it keeps: `patience` epochs after the best one, and that one's.

    With `stop_on` "never" every epoch counts as the best so far, so that the last one is kept.
    """

    def __init__(self, config: FitConfig) -> None:
        self.config, self.best_error, self.best_epoch = config, math.inf, 0

    def keeps(self, epoch: int, error: float) -> bool:
        """Whether the weights of this epoch, counted from 1, are the best so far; a lower error is better."""
        if error >= self.best_error and self.config.stop_on != "never":
            return False
        self.best_error, self.best_epoch = error, epoch
        return True

    def ends(self, epoch: int) -> bool:
        """Whether this epoch is the last, once `keeps` was asked."""
        return epoch == self.config.max_epochs or epoch - self.best_epoch >= self.config.patience


def _run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    inputs: Tensor,
    labels: Tensor,
    config: FitConfig,
    batches: Generator,
) -> float:
    """One epoch of steps with dropout on; the mean loss of its examples, without the penalty."""
    model.train()
    penalised = hidden_linear_weights(model) if config.dense_penalty else []
    total = torch.zeros((), dtype=torch.float64 if inputs.device.type == "cpu" else torch.float32, device=inputs.device)
    order = epoch_order(len(inputs), config, batches).to(inputs.device)
    for batch in order.split(config.batch_size):
        optimizer.zero_grad()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            batch_loss = loss(model(inputs[batch]), labels[batch])
        objective = batch_loss
        if penalised:
            objective = objective + config.dense_penalty / len(inputs) * sum(w.square().sum() for w in penalised)
        objective.backward()
        optimizer.step()
        total += batch_loss.detach() * len(batch)  # read once an epoch: reading would stop a GPU at every step
    return total.item() / len(order)


def hidden_linear_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights of every linear layer but the last."""
    return [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)][:-1]


def epoch_order(size: int, config: FitConfig, batches: Generator) -> Tensor:
    """Which examples an epoch sees, in order."""
    if config.epoch_samples is None:
        return torch.randperm(size, generator=batches)
    return torch.randint(size, (config.epoch_samples,), generator=batches)


@torch.no_grad()
def _validate(model: nn.Module, inputs: Tensor, labels: Tensor, loss: Loss, config: FitConfig) -> tuple[float, float]:
    """The loss with dropout off, and the number to be made small: that loss, or the share of wrong answers."""
    model.eval()
    outputs = torch.cat([model(chunk) for chunk in inputs.split(VALIDATION_CHUNK)])
    validation_loss = loss(outputs, labels).item()
    if config.stop_on == "nll":
        return validation_loss, validation_loss
    return validation_loss, (outputs.argmax(dim=-1) != labels).double().mean().item()


@contextmanager
def global_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """While this is open, layers that draw from the global generators of the CPU and of `device` draw from `seed`."""
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def checked_examples(
    model: nn.Module, inputs: Tensor, labels: Tensor, loss: Loss, *, kind: str = ""
) -> tuple[Tensor, Tensor]:
    """Inputs and labels on the device of the model; the labels of classes, for cross-entropy, as int64.

    Raises TypeError or ValueError, naming the inputs or labels of this kind, where there are no examples, not a label for
    each, or classes that the model does not have.
    """
    device = next(model.parameters()).device
    if len(inputs) == 0:
        raise ValueError(f"{kind}inputs: expected at least one example, got none")
    if len(inputs) != len(labels):
        raise ValueError(f"{kind}labels: expected one for each of {len(inputs)} inputs, got {len(labels)}")
    inputs, labels = inputs.to(device), labels.to(device)
    if loss is F.cross_entropy and not labels.is_floating_point():
        with torch.no_grad():
            num_classes = model.eval()(inputs[:1].clone()).shape[1]  # a copy: a forward pass may change its input
        if num_classes < 2:
            raise ValueError("model: expected two outputs or more for classes, got one; a yes and a no are two")
        # on a GPU a class that does not exist would stop the whole process
        labels = check_labels(f"{kind}labels", labels, num_inputs=len(inputs), num_classes=num_classes)
    return inputs, labels


def check_finite(name: str, value: float, epoch: int) -> None:
    """Raises FloatingPointError, naming the loss and the epoch, where it is not a finite number."""
    if not math.isfinite(value):
        raise FloatingPointError(f"{name} loss: expected a finite number, got {value} in epoch {epoch}")
