"""The networks: shapes, sizes computed by hand, and the order of layers that the papers give."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bal_utils import models
from bal_utils.models import MLP, GalCNN, KirschCNN, glorot_uniform, last_linear, penultimate
from bal_utils.runtime import stream


def names(model):
    return [type(layer).__name__ for layer in model]


def num_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_mlp_has_a_dropout_layer_behind_each_hidden_layer():
    model = MLP(2, 3, hidden=(5, 7), dropout=0.2)
    assert names(model) == ["Flatten", *["Linear", "ReLU", "Dropout"] * 2, "Linear"]
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.2, 0.2]
    assert num_parameters(model) == (2 * 5 + 5) + (5 * 7 + 7) + (7 * 3 + 3)
    assert names(MLP(2, 3, hidden=())) == ["Flatten", "Linear"]


def test_mlp_takes_points_and_images():
    assert MLP(2, 3)(torch.randn(4, 2)).shape == (4, 3)
    assert MLP(64, 10)(torch.randn(4, 1, 8, 8)).shape == (4, 10)


def test_gal_cnn_is_that_of_the_paper():
    model = GalCNN()
    convolutions = ["Conv2d", "ReLU"] * 2
    assert names(model) == [*convolutions, "MaxPool2d", "Dropout", "Flatten", "Linear", "ReLU", "Dropout", "Linear"]
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.25, 0.5]
    dense = 32 * 11 * 11  # 28 -> 25 -> 22 -> 11
    assert num_parameters(model) == (16 + 1) * 32 + (32 * 16 + 1) * 32 + (dense + 1) * 128 + (128 + 1) * 10


def test_kirsch_cnn_is_that_of_the_paper():
    model = KirschCNN()
    block = ["Conv2d", "Dropout2d", "MaxPool2d", "ReLU"]
    assert names(model) == [*block, *block, "Flatten", "Linear", "Dropout", "ReLU", "Linear"]
    assert {layer.p for layer in model if isinstance(layer, nn.Dropout | nn.Dropout2d)} == {0.5}
    dense = 64 * 4 * 4  # 28 -> 24 -> 12 -> 8 -> 4
    assert num_parameters(model) == (25 + 1) * 32 + (32 * 25 + 1) * 64 + (dense + 1) * 128 + (128 + 1) * 10


@pytest.mark.parametrize("size", [8, 9, 28])
def test_gal_cnn_takes_images_of_any_size_from_its_minimum(size):
    assert GalCNN(7, image_size=size)(torch.randn(2, 1, size, size)).shape == (2, 7)


@pytest.mark.parametrize("size", [16, 17, 28])
def test_kirsch_cnn_takes_images_of_any_size_from_its_minimum(size):
    assert KirschCNN(7, image_size=size)(torch.randn(2, 1, size, size)).shape == (2, 7)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: KirschCNN(image_size=8), "image_size: expected a whole number, at least 16, got 8"),
        (lambda: KirschCNN(image_size=15), "image_size: expected .* at least 16"),
        (lambda: GalCNN(image_size=7), "image_size: expected .* at least 8, got 7"),
        (lambda: GalCNN(image_size=8.0), "image_size: .* got 8.0"),
        (lambda: KirschCNN(0), "num_classes: expected a whole number, at least 1, got 0"),
        (lambda: GalCNN(True), "num_classes: expected a whole number"),
        (lambda: GalCNN(dropout=(0.25, 1.0)), r"dropout: expected a finite number, at least 0 and below 1, got 1.0"),
        (lambda: MLP(2, 3, dropout=-0.1), "dropout: expected a finite number"),
        (lambda: MLP(2, 3, dropout=float("nan")), "dropout: expected a finite number"),
        (lambda: MLP(0, 3), "in_features: expected a whole number"),
        (lambda: MLP(2, 2.5), "out_features: expected a whole number"),
        (lambda: MLP(2, 3, hidden=(4, 0)), "hidden: expected a whole number"),
    ],
)
def test_sizes_and_probabilities_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("factory", [lambda: MLP(16, 3), lambda: KirschCNN(5)], ids=["MLP", "KirschCNN"])
def test_features_are_what_the_last_layer_turns_into_logits(factory, monkeypatch):
    monkeypatch.setattr(models, "FEATURE_CHUNK", 2)
    model = factory().eval()
    images = torch.rand(5, 1, 28, 28) if isinstance(model, KirschCNN) else torch.rand(5, 16)
    features = penultimate(model, images)
    torch.testing.assert_close(model.get_submodule(last_linear(model, images))(features), model(images))


def test_a_model_without_a_linear_layer_has_no_features():
    with pytest.raises(ValueError, match="^model: "):
        last_linear(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 4, 4))


class HeadFirst(nn.Module):
    """Defines its layers in another order than it runs them."""

    def __init__(self):
        super().__init__()
        self.head, self.body = nn.Linear(8, 2), nn.Linear(4, 8)

    def forward(self, inputs):
        return self.head(torch.tanh(self.body(inputs))).log_softmax(dim=-1)


class Tied(nn.Module):
    """One layer that runs twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, inputs):
        return self.layer(input=torch.relu(self.layer(inputs)))


class Gated(nn.Module):
    """A convolutional classifier whose only linear layer weighs channels in the middle."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 4), nn.Conv2d(4, 3, 1)

    def forward(self, images):
        hidden = self.conv(images)
        return self.head(hidden * self.gate(hidden.mean(dim=(2, 3)))[:, :, None, None]).mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (HeadFirst(), "head"),
        (Tied(), "layer"),
        (nn.Sequential(MLP(4, 3), nn.Softmax(dim=1)), "0.7"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)), ""),
    ],
)
def test_the_last_layer_is_the_one_that_runs_last(model, name):
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"))
    before = torch.get_rng_state()
    assert last_linear(model, inputs) == name
    assert model.training and torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), Gated(), nn.ReLU()])
def test_a_network_that_does_not_end_with_a_linear_layer_is_refused(model):
    inputs = torch.randn(5, 1, 6, 6) if isinstance(model, Gated) else torch.randn(5, 4)
    with pytest.raises(ValueError, match="^model: "):
        last_linear(model, inputs)
    with pytest.raises(ValueError, match="^model: "):
        penultimate(model, inputs)


def test_features_of_layers_out_of_order_and_of_layers_that_run_twice():
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"))
    model = HeadFirst()
    torch.testing.assert_close(penultimate(model, inputs), torch.tanh(model.body(inputs)).detach())
    tied = Tied()
    torch.testing.assert_close(penultimate(tied, inputs), torch.relu(tied.layer(inputs)).detach())


def test_features_leave_the_model_its_mode_and_the_inputs_their_values():
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"))
    model, kept = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4, 2)), inputs.clone()
    model[0].eval()
    features = penultimate(model, inputs)
    torch.testing.assert_close(features, kept.relu())
    assert torch.equal(inputs, kept) and [layer.training for layer in model] == [False, True, True]
    with pytest.raises(
        TypeError, match="inputs: expected torch.float32, as the weights of the model, got torch.float16"
    ):
        penultimate(model, inputs.half())
    with pytest.raises(TypeError, match="inputs: expected a tensor, got ndarray"):
        penultimate(model, inputs.numpy())


def test_sizes_may_be_whole_numbers_of_numpy():
    assert MLP(np.int64(4), np.int32(3), hidden=np.array([5, 6]), dropout=np.float32(0.25))(
        torch.zeros(2, 4)
    ).shape == (2, 3)


@pytest.mark.parametrize(
    ("layer", "as_keras_2016", "limit"),
    [
        (nn.Conv2d(1, 32, 3), False, math.sqrt(6 / (9 + 32 * 9))),
        (nn.Conv2d(1, 32, 3), True, math.sqrt(6 / (9 + 32))),
        (nn.Conv2d(32, 32, 3), True, math.sqrt(6 / (288 + 32))),
        (nn.Linear(4608, 128), True, math.sqrt(6 / (4608 + 128))),
    ],
)
def test_glorot_and_how_keras_of_2016_counted_the_outputs_of_a_convolution(layer, as_keras_2016, limit):
    torch.manual_seed(0)
    weights = glorot_uniform(nn.Sequential(layer), as_keras_2016=as_keras_2016)[0].weight.detach()
    assert limit * 0.95 < weights.abs().max() <= limit
    assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)
    assert not layer.bias.any()
