"""Many networks trained at once on one device: each in a lane of its own, starting and stopping when it must.

A GPU is far from busy with one small network and 64 images: a step is then mostly the launching of its kernels. Here the
weights of L networks are stacked, a layer is one operation for all of them, convolutions go on side by side, and a whole
epoch of steps is recorded once as a CUDA graph and replayed with a single launch. Each network has its own images, its own
order, its own dropout, and its own early stopping; when one is done, another takes its lane. A lane never sees what is in
the others.

Dimensions: L lanes, B examples of a batch, V validation images, S draws of an epoch, P parameters of a network; a
convolution has C channels in and D out, and kernels of h x w pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bal_utils.posteriors.masked.masks import is_dropout, trace
from bal_utils.runtime import stream, stream_seed
from bal_utils.training.fit import EarlyStopping, FitTask, check_finite, epoch_order, hidden_linear_weights

ADAM_BETAS, ADAM_EPS = (0.9, 0.999), 1e-8  # PyTorch's own
VALIDATION_CHUNK = 256  # images of every lane at once


@dataclass
class _Lane:
    """The network that is being trained in a lane, and how far it has come."""

    task: FitTask
    order: Generator
    masks: Generator
    stopping: EarlyStopping
    epochs: int = 0


class Lanes:
    """L lanes for networks of one architecture: a plain `nn.Sequential` of the layers that `forward` knows.

    Every task must have the configuration, the input shape and the number of validation images given here, and at most
    `most_labels` images. `config.epoch_samples` is needed: an epoch has as many steps in every lane.
    Raises ValueError where the network or the configuration is of another kind.
    """

    def __init__(self, example: FitTask, num_lanes: int, most_labels: int) -> None:
        if example.config.epoch_samples is None:
            raise ValueError("config: expected epoch_samples, so that epochs are equally long in all lanes, got None")
        if example.config.precision is not None:
            raise ValueError(f"config: expected precision None in lanes, got {example.config.precision!r}")
        self.config, self.model = example.config, example.model
        self.device = example.inputs.device
        self.lanes: list[_Lane | None] = [None] * num_lanes
        self.names, parameters = zip(*self.model.named_parameters(), strict=True)
        self.shapes = [parameter.shape for parameter in parameters]
        self.sizes = [parameter.numel() for parameter in parameters]
        self.dropout = [call for call in trace(self.model, example.inputs[:1]) if is_dropout(call.module)]
        penalised = {id(weight) for weight in hidden_linear_weights(self.model)}
        self.penalised_P = torch.cat(
            [torch.full((p.numel(),), float(id(p) in penalised), device=self.device) for p in parameters]
        )
        self._make_room(example, num_lanes, most_labels)
        self.streams = [torch.cuda.Stream(self.device) for _ in range(num_lanes)] if self.device.type == "cuda" else []
        self.run_epoch = _recorded(self._epoch, self.device)

    def _make_room(self, example: FitTask, L: int, most_labels: int) -> None:
        """All that an epoch reads and writes, at places that stay: a CUDA graph knows its tensors by address."""
        P, S = sum(self.sizes), self.config.epoch_samples
        image, validation_size = example.inputs.shape[1:], len(example.validation[1])
        zeros = partial(torch.zeros, device=self.device)
        self.weights_L_P = zeros(L, P, requires_grad=True)
        self.mean_L_P, self.square_L_P, self.best_L_P = zeros(L, P), zeros(L, P), zeros(L, P)
        self.steps_L_1, self.decay_L_1 = zeros(L, 1), zeros(L, 1)
        self.inputs_L = zeros(L, most_labels, *image)
        self.labels_L = zeros(L, most_labels, dtype=torch.int64)
        self.validation_inputs_L = zeros(L, validation_size, *image)
        self.validation_labels_L = zeros(L, validation_size, dtype=torch.int64)
        self.order_L_S = zeros(L, S, dtype=torch.int64)
        self.masks_L_S = [zeros(L, S, *call.mask_shape) for call in self.dropout]
        self.training_loss_L, self.validation_loss_L, self.errors_L = zeros(L), zeros(L), zeros(L)

    def free(self) -> list[int]:
        """The lanes in which nothing is trained."""
        return [number for number, lane in enumerate(self.lanes) if lane is None]

    def enter(self, number: int, task: FitTask) -> None:
        """Puts a network, with its weights as they are, into a free lane."""
        if task.config != self.config:
            raise ValueError(f"task: expected the configuration of these lanes, {self.config}, got {task.config}")
        seed = stream_seed(task.seed, "dropout")
        order, masks = stream(task.seed, "batches"), Generator(self.device).manual_seed(seed)
        self.lanes[number] = _Lane(task, order, masks, EarlyStopping(self.config))
        with torch.no_grad():
            flat_P = torch.cat([parameter.detach().flatten() for parameter in task.model.parameters()])
            self.weights_L_P[number].copy_(flat_P)
        self.decay_L_1[number] = 2 * (self.config.dense_penalty or 0) / len(task.labels)  # d/dw of penalty / N · w²
        for state_L_P in (self.mean_L_P, self.square_L_P, self.steps_L_1):
            state_L_P[number].zero_()
        self.inputs_L[number, : len(task.inputs)] = task.inputs
        self.labels_L[number, : len(task.labels)] = task.labels
        self.validation_inputs_L[number], self.validation_labels_L[number] = task.validation

    def train(self) -> list[tuple[int, Exception | None]]:
        """One epoch in every lane that is taken. Returns the lanes that are done, each with None or what went wrong.

        They are free then, and their networks have the weights of the best epoch and are in evaluation mode.
        """
        taken = [(number, lane) for number, lane in enumerate(self.lanes) if lane is not None]
        orders_L_S = [epoch_order(len(lane.task.labels), self.config, lane.order) for _, lane in taken]
        self.order_L_S[[number for number, _ in taken]] = torch.stack(orders_L_S).to(self.device)
        for number, lane in taken:
            for call, masks_L_S in zip(self.dropout, self.masks_L_S, strict=True):
                kept = 1 - call.module.p
                masks_L_S[number].bernoulli_(kept, generator=lane.masks).div_(kept)
        self.run_epoch()
        training_L, validation_L, errors_L = torch.stack(
            [self.training_loss_L, self.validation_loss_L, self.errors_L]
        ).tolist()

        done = []
        for number, lane in taken:
            lane.epochs += 1
            try:
                check_finite("training", training_L[number], lane.epochs)
                check_finite("validation", validation_L[number], lane.epochs)
            except FloatingPointError as error:
                done.append((number, error))
                continue
            if lane.stopping.keeps(lane.epochs, errors_L[number]):
                self.best_L_P[number].copy_(self.weights_L_P[number].detach())
            if lane.stopping.ends(lane.epochs):
                done.append((number, None))
        for number, _ in done:
            self._leave(number)
        return done

    def _leave(self, number: int) -> None:
        lane, self.lanes[number] = self.lanes[number], None
        parts = self.best_L_P[number].split(self.sizes)
        for parameter, part, shape in zip(lane.task.model.parameters(), parts, self.shapes, strict=True):
            parameter.data.copy_(part.view(shape))
        lane.task.model.eval()
        lane.task.epochs = lane.epochs

    def _epoch(self) -> None:
        """Every step of an epoch and the validation after it, for all lanes, whether taken or not."""
        self.training_loss_L.zero_()
        lanes_L_1 = torch.arange(len(self.lanes), device=self.device)[:, None]
        B = self.config.batch_size
        batches = self.order_L_S.split(B, dim=1)
        masks = list(zip(*(masks_L_S.split(B, dim=1) for masks_L_S in self.masks_L_S), strict=True))
        masks = masks or [()] * len(batches)  # of a network without dropout
        for batch_L_B, masks_L_B in zip(batches, masks, strict=True):
            logits_L_B_C = self.forward(self.inputs_L[lanes_L_1, batch_L_B], masks_L_B)
            loss_L = _cross_entropy(logits_L_B_C, self.labels_L[lanes_L_1, batch_L_B])
            (gradient_L_P,) = torch.autograd.grad(loss_L.sum(), self.weights_L_P)
            with torch.no_grad():
                self._adam(gradient_L_P)
            self.training_loss_L += loss_L.detach() * (batch_L_B.shape[1] / self.order_L_S.shape[1])
        with torch.no_grad():
            self._validate()

    def _adam(self, gradient_L_P: Tensor) -> None:
        """A step of Adam (arXiv:1412.6980, algorithm 1) in every lane, each at its own count of steps.

        PyTorch's counts steps once for a tensor: lanes that start at different times would need a tensor each.
        """
        if self.config.weight_decay:
            gradient_L_P = gradient_L_P.add(self.weights_L_P, alpha=self.config.weight_decay)
        if self.config.dense_penalty:
            gradient_L_P = gradient_L_P + self.decay_L_1 * self.penalised_P * self.weights_L_P
        mean_beta, square_beta = ADAM_BETAS
        self.steps_L_1 += 1
        self.mean_L_P.lerp_(gradient_L_P, 1 - mean_beta)
        self.square_L_P.lerp_(gradient_L_P.square(), 1 - square_beta)
        mean_L_P = self.mean_L_P / (1 - mean_beta**self.steps_L_1)
        deviation_L_P = (self.square_L_P / (1 - square_beta**self.steps_L_1)).sqrt()
        self.weights_L_P.sub_(self.config.learning_rate * mean_L_P / (deviation_L_P + ADAM_EPS))

    def _validate(self) -> None:
        """The mean loss with dropout off, and the number to be made small: that loss, or the share of wrong answers."""
        logits = [self.forward(part_L_V) for part_L_V in self.validation_inputs_L.split(VALIDATION_CHUNK, dim=1)]
        logits_L_V_C = torch.cat(logits, dim=1)
        self.validation_loss_L.copy_(_cross_entropy(logits_L_V_C, self.validation_labels_L))
        wrong_L_V = logits_L_V_C.argmax(dim=-1) != self.validation_labels_L
        self.errors_L.copy_(self.validation_loss_L if self.config.stop_on == "nll" else wrong_L_V.float().mean(dim=1))

    def forward(self, hidden_L_B: Tensor, masks_L_B: tuple[Tensor, ...] = ()) -> Tensor:
        """logits_L_B_C of every lane's network; dropout is off where there are no masks."""
        parts = self.weights_L_P.split(self.sizes, dim=1)
        weights = {
            name: part.unflatten(1, shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }
        remaining, mask_L_B = iter(masks_L_B), None
        for name, layer in self.model.named_children():
            if mask_L_B is not None and not _commutes(layer, mask_L_B):
                hidden_L_B, mask_L_B = hidden_L_B * mask_L_B, None
            if is_dropout(layer):
                mask_L_B = next(remaining, None)
            elif type(layer) is nn.Conv2d:
                own = weights[f"{name}.weight"], weights[f"{name}.bias"]
                hidden_L_B = convolution(hidden_L_B, layer, *own, self.streams)
            elif type(layer) is nn.Linear:
                hidden_L_B = torch.baddbmm(weights[f"{name}.bias"][:, None], hidden_L_B, weights[f"{name}.weight"].mT)
            elif type(layer) is nn.Flatten:
                hidden_L_B = hidden_L_B.flatten(2)
            elif type(layer) in (nn.ReLU, nn.MaxPool2d):
                hidden_L_B = layer(hidden_L_B.flatten(0, 1)).unflatten(0, hidden_L_B.shape[:2])
            else:
                raise ValueError(f"model: expected layers that lanes know, got {type(layer).__name__}")
        return hidden_L_B if mask_L_B is None else hidden_L_B * mask_L_B


def _commutes(layer: nn.Module, mask_L_B: Tensor) -> bool:
    """Whether a mask can as well be applied behind the layer, where fewer numbers may be left: its own are not negative."""
    whole_channels = mask_L_B.shape[3:] == (1, 1)
    return type(layer) is nn.ReLU or (type(layer) is nn.MaxPool2d and whole_channels)


def convolution(
    images_L_B_C_H_W: Tensor, layer: nn.Conv2d, weight_L_D_C_h_w: Tensor, bias_L_D: Tensor, streams: list
) -> Tensor:
    """Each lane's images through its own kernels, stepping as those of `layer`; on a GPU, side by side in its streams."""
    lanes = list(zip(images_L_B_C_H_W, weight_L_D_C_h_w, strict=True))
    steps = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
    if streams:
        here, outputs = torch.cuda.current_stream(), []
        for stream_of_lane, lane in zip(streams, lanes, strict=True):
            stream_of_lane.wait_stream(here)
            with torch.cuda.stream(stream_of_lane):
                outputs.append(F.conv2d(*lane, **steps))
        for stream_of_lane in streams:
            here.wait_stream(stream_of_lane)
    else:
        outputs = [F.conv2d(*lane, **steps) for lane in lanes]
    return torch.stack(outputs).add_(bias_L_D[:, None, :, None, None])


def _cross_entropy(logits_L_B_C: Tensor, labels_L_B: Tensor) -> Tensor:
    """The mean loss of each lane."""
    losses = F.cross_entropy(logits_L_B_C.flatten(0, 1), labels_L_B.flatten(), reduction="none")
    return losses.view(labels_L_B.shape).mean(dim=1)


def _recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The same work as a CUDA graph, replayed with one launch; on other devices, the work as it is.

    Matrix products round their factors to 10 bits (TF32): several times faster, and the noise of training is larger.
    """
    if device.type != "cuda":
        return work
    products = torch.backends.cuda.matmul
    exact, products.allow_tf32 = products.allow_tf32, True
    try:
        warm_up, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
        warm_up.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(warm_up):
            work()
        torch.cuda.current_stream(device).wait_stream(warm_up)
        with torch.cuda.graph(graph):
            work()
    finally:
        products.allow_tf32 = exact
    return graph.replay
