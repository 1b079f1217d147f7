"""MC-dropout against plain passes with the same masks, and against moments known in closed form.

The masks are drawn here a second time, from the documented protocol: sample after sample, layer after layer, a uniform
number a feature (a channel, for channel dropout), kept where it is at least p.
"""

import copy
import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bal_utils.models import MLP, GalCNN, KirschCNN
from bal_utils.posteriors.masked import linear as thinned_linear
from bal_utils.posteriors.masked import masks as dropout_masks
from bal_utils.posteriors.masked import passes as masked_passes
from bal_utils.posteriors.mc_dropout import (
    _QuickDropout,
    deterministic_log_probs,
    fresh_log_probs,
    predict_log_probs,
    sample_log_probs,
    sample_outputs,
)
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp

K = 6
FLOAT32 = {"rtol": 0, "atol": 2e-6}  # the same products on other batch shapes: log-probabilities of order 1, eps 1.2e-7
FOLDED_FLOAT32 = {"rtol": 0, "atol": 1e-5}  # sums of 32 x 25 products in another order, through two more layers
FLOAT64 = {"rtol": 0, "atol": 1e-12}


class Residual(nn.Module):
    """One dropout layer called twice, and a sum that would not survive folding samples into the batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.dropout = nn.Linear(5, 5), nn.Linear(5, 3), nn.Dropout(0.3)

    def forward(self, inputs):
        return self.second(inputs + self.dropout(torch.tanh(self.first(self.dropout(inputs)))))


class Wrapped(nn.Module):
    """Hides the structure of a network."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner(inputs)


def sequence_model():
    layers = [nn.Conv1d(2, 4, 3), nn.Dropout1d(0.4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 3)]
    return nn.Sequential(*layers)


def volume_model():
    return nn.Sequential(nn.Conv3d(1, 3, 2), nn.Dropout3d(0.4), nn.Flatten(), nn.Linear(24, 3))


def normalised_model():
    convolution = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    return nn.Sequential(convolution, nn.Sequential(nn.Dropout2d(0.4), nn.Flatten()), nn.Linear(144, 3))


def blocks_model():
    """A sequence whose first dropout layer is inside a block that works in place."""
    block = nn.Sequential(nn.LeakyReLU(0.5, inplace=True), Residual())
    return nn.Sequential(nn.Linear(5, 5), Wrapped(block), nn.Linear(3, 3))


def attention_model():
    layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.4, batch_first=True)
    layer.self_attn.dropout = 0.0
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 3))


# name: (network, shape of one input, p and mask shape of each dropout call in order)
NETWORKS = {
    "mlp": (lambda: MLP(4, 3, hidden=(7, 5), dropout=0.3), (4,), [(0.3, (7,)), (0.3, (5,))]),
    "gal": (lambda: GalCNN(image_size=12), (1, 12, 12), [(0.25, (32, 3, 3)), (0.5, (128,))]),
    "kirsch": (lambda: KirschCNN(), (1, 28, 28), [(0.5, (32, 1, 1)), (0.5, (64, 1, 1)), (0.5, (128,))]),
    "kirsch 17": (lambda: KirschCNN(image_size=17), (1, 17, 17), [(0.5, (32, 1, 1)), (0.5, (64, 1, 1)), (0.5, (128,))]),
    "residual": (Residual, (5,), [(0.3, (5,))] * 2),
    "sequence": (sequence_model, (2, 6), [(0.4, (4, 1)), (0.2, (16,))]),
    "volume": (volume_model, (1, 3, 3, 3), [(0.4, (3, 1, 1, 1))]),
    "normalised": (normalised_model, (1, 8, 8), [(0.4, (4, 1, 1))]),
    "blocks": (blocks_model, (5,), [(0.3, (5,)), (0.3, (5,))]),
    "attention": (attention_model, (3, 4), [(0.4, (3, 4)), (0.4, (3, 6)), (0.4, (3, 4))]),
}


def make(name, num_inputs=5, dtype=torch.float32):
    build, shape, dropout = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build().to(dtype)
    return model, torch.randn(num_inputs, *shape, generator=stream(0, "inputs"), dtype=dtype), dropout


def plain_passes(model, inputs, dropout, num_samples, seed=0):
    """K ordinary passes of a copy whose dropout layers multiply by the next mask, one layer call after another."""
    model = copy.deepcopy(model).eval()
    generator = stream(seed, "masks")
    outputs = []
    torch.backends.mha.set_fastpath_enabled(False)  # the fused attention layer never calls its dropout layers
    for _ in range(num_samples):
        masks = [(torch.rand(shape, generator=generator) >= p).double() / (1 - p) for p, shape in dropout]
        remaining = iter(masks)
        for module in model.modules():
            if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
                module.forward = lambda hidden, remaining=remaining: hidden * next(remaining).to(hidden.dtype)
        with torch.no_grad():
            outputs.append(model(inputs.clone()))
        assert next(remaining, None) is None
    torch.backends.mha.set_fastpath_enabled(True)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_samples_are_plain_passes_with_the_same_masks(name):
    model, inputs, dropout = make(name, dtype=torch.float64)
    expected = plain_passes(model, inputs, dropout, K)
    torch.testing.assert_close(sample_outputs(model, inputs, K), expected, **FLOAT64)
    log_probs = sample_log_probs(model, inputs, K, generator=stream(0, "masks"))
    torch.testing.assert_close(log_probs, F.log_softmax(expected, dim=-1), **FLOAT64)
    spread = expected.std(dim=1).max()
    assert spread > 1e-3  # the masks make a difference


@pytest.mark.parametrize("name", ["mlp", "gal", "kirsch", "sequence", "volume", "normalised"])
def test_in_float32_the_fast_paths_equal_one_pass_for_each_sample(name):
    model, inputs, dropout = make(name)
    tolerance = FOLDED_FLOAT32 if name == "kirsch" else FLOAT32
    fast = sample_log_probs(model, inputs, K)
    torch.testing.assert_close(fast, sample_log_probs(Wrapped(model), inputs, K), **tolerance)
    torch.testing.assert_close(fast, plain_passes(model, inputs, dropout, K).log_softmax(dim=-1), **tolerance)


DROP, RELU, CONV = nn.Dropout2d, nn.ReLU, nn.Conv2d
FOLDABLE = {
    "pool before dropout": [
        CONV(1, 3, 3),
        RELU(),
        nn.MaxPool2d(2),
        DROP(),
        CONV(3, 4, 3),
        RELU(),
        nn.MaxPool2d(2),
        DROP(),
    ],
    "no ReLU, no bias": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3, bias=False), nn.MaxPool2d(3), DROP(0.2)],
    "padding and stride": [
        CONV(1, 3, 3),
        DROP(),
        RELU(),
        CONV(3, 4, (3, 2), (1, 2), (1, 2)),
        DROP(),
        nn.MaxPool2d((2, 3)),
    ],
    "overlapping first pool": [
        CONV(1, 3, 3),
        DROP(),
        nn.MaxPool2d(3, 1, 1),
        CONV(3, 4, 3),
        DROP(),
        nn.MaxPool2d(2),
        RELU(),
    ],
    "all kept, none kept": [CONV(1, 3, 3), DROP(0.0), CONV(3, 4, 3), DROP(1.0), nn.MaxPool2d(2), RELU()],
    "in place": [
        CONV(1, 3, 3),
        DROP(inplace=True),
        RELU(inplace=True),
        CONV(3, 4, 3),
        DROP(),
        nn.MaxPool2d(2),
        RELU(True),
    ],
}
NOT_FOLDABLE = {
    "overlapping pool": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2, 1)],
    "padded pool": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2, padding=1)],
    "ceiling pool": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2, ceil_mode=True)],
    "tanh does not commute": [CONV(1, 3, 3), DROP(), nn.Tanh(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2)],
    "single features dropped": [CONV(1, 3, 3), nn.Dropout(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2)],
    "grouped": [CONV(1, 4, 3), DROP(), CONV(4, 4, 3, groups=2), DROP(), nn.MaxPool2d(2)],
    "dilated": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3, dilation=2), DROP(), nn.MaxPool2d(2)],
    "wrapped around": [
        CONV(1, 3, 3),
        DROP(),
        CONV(3, 4, 3, padding=1, padding_mode="circular"),
        DROP(),
        nn.MaxPool2d(2),
    ],
    "padding by name": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3, padding="same"), DROP(), nn.MaxPool2d(2)],
    "no second dropout": [CONV(1, 3, 3), DROP(), CONV(3, 4, 3), nn.MaxPool2d(2)],
    "dropped twice": [CONV(1, 3, 3), DROP(), DROP(), CONV(3, 4, 3), DROP(), nn.MaxPool2d(2)],
}


# what comes behind: no linear layer, or one with units that the next dropout drops, or one of which all units count
BEHIND = {
    "no linear layer": lambda: [nn.Flatten(), nn.Dropout(0.3)],
    "dropped units": lambda: [nn.Flatten(), nn.LazyLinear(6), nn.Dropout(0.3), nn.ReLU(), nn.Linear(6, 3)],
    "dropped after ReLU": lambda: [nn.Flatten(), nn.LazyLinear(6, bias=False), nn.ReLU(True), nn.Dropout(0.3)],
    "all units": lambda: [nn.Flatten(), nn.LazyLinear(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)],
    "the end": lambda: [nn.Flatten(), nn.LazyLinear(6)],
    "flattened in part": lambda: [nn.Flatten(2), nn.LazyLinear(6), nn.Dropout(0.3)],
}


def built(layers, image_shape, num_images=4):
    """A network in float64 whose lazy layers know their sizes, and images for it."""
    images = torch.randn(num_images, *image_shape, generator=stream(0, "images"), dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(*copy.deepcopy(layers)).double()
        model(images)
    return model, images


def thinned_part(model, images):
    """What is computed without what the samples drop: the step and the number of stages it stands for, or None."""
    calls = dropout_masks.trace(model.eval(), images[:1])
    masks = dropout_masks.draw_masks(dropout_masks.dropout_calls(model, calls), K, stream(0, "masks"))
    first = next(position for position, layer in enumerate(model) if isinstance(layer, DROP | nn.Dropout))
    return masked_passes.SamplesTogether(list(model)[first:], masks).thinned


@pytest.fixture(params=["thinned", "wide"])
def form(request, monkeypatch):
    """The form of a processor, or that of a GPU, which runs on a processor too."""
    if request.param == "wide":
        monkeypatch.setattr(masked_passes, "PROCESSORS", ())
    return request.param


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("name", [*FOLDABLE, *NOT_FOLDABLE])
def test_folded_convolutions_are_found_by_structure_and_equal_plain_passes(name, behind, form):
    model, images = built([*(FOLDABLE | NOT_FOLDABLE)[name], *BEHIND[behind]()], (1, 13, 14))
    step = thinned_part(model, images)
    assert (step is not None) == (name in FOLDABLE)
    if step:
        assert (step.linear is not None) == (behind not in ("no linear layer", "flattened in part"))
    torch.testing.assert_close(sample_outputs(model, images, K), sample_outputs(Wrapped(model), images, K), **FLOAT64)


@pytest.mark.parametrize("kept_weight_bytes", [0, 2**26])
@pytest.mark.parametrize("behind", [name for name in BEHIND if name != "no linear layer"])
@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_dropped_features_thin_the_weight_and_equal_plain_passes(behind, p, kept_weight_bytes, form, monkeypatch):
    monkeypatch.setattr(thinned_linear, "KEPT_WEIGHT_BYTES", kept_weight_bytes)
    model, images = built([CONV(1, 4, 3), nn.MaxPool2d(2), nn.Dropout(p), *BEHIND[behind]()], (1, 10, 9))
    assert (thinned_part(model, images) is not None) == (behind != "flattened in part")
    torch.testing.assert_close(sample_outputs(model, images, K), sample_outputs(Wrapped(model), images, K), **FLOAT64)


def test_a_hooked_linear_layer_is_called_as_it_is():
    for name in ("gal", "kirsch"):
        model, images, _ = make(name, dtype=torch.float64)
        linear = next(layer for layer in model if isinstance(layer, nn.Linear))
        expected = sample_outputs(model, images, K)
        seen = []
        linear.register_forward_hook(lambda module, args, output, seen=seen: seen.append(args[0].shape))
        torch.testing.assert_close(sample_outputs(model, images, K), expected, **FLOAT64)
        assert seen[-1] == (len(images) * K, linear.in_features)


def test_what_samples_drop_is_not_computed():
    # Kirsch: half of the channels behind the convolution and half of the units behind the linear layer
    model, images, dropout = make("kirsch")
    step = thinned_part(model, images)
    generator = stream(0, "masks")
    kept = [[(torch.rand(shape, generator=generator) >= p).sum().item() for p, shape in dropout] for _ in range(K)]
    assert len(step.mask_R_C) == sum(channels for _, channels, _ in kept) < 0.6 * K * 64
    for (_, channels, units), weight_h_f in zip(kept, step.thinned.weights, strict=True):
        assert weight_h_f.shape == (units, channels * 16)


@pytest.mark.parametrize("name", ["gal", "kirsch"])
def test_half_precision_gives_normalised_probabilities_near_those_of_float32(name, form):
    model, images, _ = make(name, num_inputs=70)  # rows of words of 8 bytes but for the last chunk of 6
    expected = sample_log_probs(model, images, K).exp()
    halved = sample_log_probs(model.half(), images.half(), K)
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved.exp().sum(dim=-1), torch.ones(70, K), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        halved.exp(), expected, rtol=0, atol=2e-3
    )  # 10 bits after the binary point, a few layers


def test_a_hooked_convolution_is_called_as_it_is():
    model, images, _ = make("kirsch")
    seen = []
    model[4].register_forward_hook(lambda module, args, output: seen.append(1))
    sample_log_probs(model, images, K)
    assert len(seen) >= 1 and thinned_part(model, images) is None


def test_a_hooked_network_is_called_as_a_whole():
    model, inputs, _ = make("mlp")
    expected = sample_outputs(model, inputs, K) + 1
    model.register_forward_hook(lambda module, args, output: output + 1)
    torch.testing.assert_close(sample_outputs(model, inputs, K), expected, **FLOAT32)


@pytest.mark.parametrize("name", ["mlp", "kirsch", "residual"])
def test_chunks_and_pieces_equal_the_whole(name, monkeypatch):
    model, inputs, _ = make(name, num_inputs=11, dtype=torch.float64)
    whole = sample_log_probs(model, inputs, K)
    monkeypatch.setattr(masked_passes, "CPU_CHUNK_BYTES", 1)
    torch.testing.assert_close(sample_log_probs(model, inputs, K), whole, **FLOAT64)
    monkeypatch.undo()
    pieces = [sample_log_probs(model, piece, K, generator=stream(0, "masks")) for piece in inputs.split(4)]
    torch.testing.assert_close(torch.cat(pieces), whole, **FLOAT64)


@pytest.mark.parametrize(("name", "num_inputs"), [("gal", 2_000), ("kirsch", 200), ("residual", 300_000)])
def test_activations_stay_within_the_budget_whatever_the_number_of_inputs(name, num_inputs, monkeypatch):
    monkeypatch.setattr(masked_passes, "CPU_CHUNK_BYTES", 4 * 2**20)
    model, inputs, _ = make(name, num_inputs=1)
    inputs = inputs.expand(num_inputs, *inputs.shape[1:])
    sizes = []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(
                lambda module, args, output: sizes.append(4 * max(args[0].numel(), output.numel()))
            )
    predict_log_probs(model, inputs, 20)
    assert max(sizes) <= 4 * 2**20
    assert len(sizes) > 10


@pytest.mark.parametrize("num_samples", [10, 200])
def test_contributions_stay_within_the_budget_whatever_the_number_of_inputs(num_samples, monkeypatch):
    monkeypatch.setattr(masked_passes, "CPU_CHUNK_BYTES", 2**20)
    model, inputs, _ = make("kirsch", num_inputs=1)
    chunks = []
    model[0].register_forward_hook(lambda module, args, output: chunks.append(len(args[0])))
    predict_log_probs(model, inputs.expand(50, -1, -1, -1), num_samples)
    per_input = 4 * max(32 * 64 * 64, num_samples * 64 * 16)  # contributions of 32 channels; pooled maps of all samples
    assert max(chunks) * per_input <= masked_passes.THINNED_CHUNKS * 2**20 < (max(chunks) + 1) * per_input


def test_equal_inputs_get_equal_rows_and_samples_differ():
    model, inputs, _ = make("kirsch", num_inputs=1)
    log_probs = sample_log_probs(model, inputs.expand(9, -1, -1, -1), 20)
    torch.testing.assert_close(log_probs, log_probs[:1].expand(9, -1, -1), **FLOAT32)
    assert len(torch.unique((log_probs[0] * 1e4).round(), dim=0)) == 20


@pytest.mark.parametrize("name", ["gal", "residual"])
def test_the_first_samples_of_many_are_the_samples_of_few(name):
    model, inputs, _ = make(name, dtype=torch.float64)
    torch.testing.assert_close(sample_outputs(model, inputs, 9)[:, :4], sample_outputs(model, inputs, 4), **FLOAT64)


def test_masks_come_from_the_generator_and_leave_the_global_one_alone():
    model, inputs, _ = make("mlp")
    before = torch.get_rng_state()
    default = sample_log_probs(model, inputs, K)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(default, sample_log_probs(model, inputs, K, generator=stream(0, "masks")))
    generator = stream(1, "masks")
    other, another = (sample_log_probs(model, inputs, K, generator=generator) for _ in range(2))
    assert not torch.equal(default, other) and not torch.equal(other, another)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("by_channel", [False, True])
def test_mean_and_variance_of_linear_dropout_are_those_of_the_closed_form(p, by_channel):
    """y = W (z ∘ x) + b with z = Bernoulli(1 - p) / (1 - p): E y = W x + b, Cov y = p / (1 - p) Σ_i u_i u_iᵀ,

    where u_i = W_i x_i for a dropped feature, or summed over the features of a dropped channel.
    """
    num_samples = 20_000
    generator = stream(0, "linear")
    inputs = torch.randn(2, 4, 3, 1, generator=generator)
    weight, bias = torch.randn(2, 12, generator=generator), torch.randn(2, generator=generator)
    model = nn.Sequential((nn.Dropout2d if by_channel else nn.Dropout)(p), nn.Flatten(), nn.Linear(12, 2))
    model[2].weight.data, model[2].bias.data = weight, bias
    outputs = sample_outputs(model, inputs, num_samples)
    parts = weight * inputs.flatten(1)[:, None]  # inputs, outputs, features
    parts = parts.unflatten(2, (4, 3)).sum(dim=3) if by_channel else parts
    mean, covariance = parts.sum(dim=2) + bias, p / (1 - p) * torch.einsum("noi,npi->nop", parts, parts)
    spread = covariance.diagonal(dim1=1, dim2=2).sqrt()
    assert ((outputs.mean(dim=1) - mean).abs() < 5 * spread / math.sqrt(num_samples)).all()  # five standard errors
    centred = outputs - mean[:, None]
    sampled = torch.einsum("nko,nkp->nop", centred, centred) / num_samples
    # the kurtosis of z is at most 1/(p (1 - p)) - 3: about 8 here, so a variance is known to sqrt(10 / num_samples)
    scale = spread[:, :, None] * spread[:, None, :]
    assert ((sampled - covariance).abs() < 5 * math.sqrt(10 / num_samples) * scale).all()


def test_probabilities_zero_and_one():
    inputs = torch.randn(3, 4, generator=stream(0, "inputs"))
    never, always = (nn.Sequential(nn.Linear(4, 4), nn.Dropout(p), nn.Linear(4, 3)) for p in (0.0, 1.0))
    kept = sample_outputs(never, inputs, K)
    torch.testing.assert_close(kept, never(inputs)[:, None].expand(3, K, 3).detach(), **FLOAT32)
    dropped = sample_outputs(always, inputs, K)
    torch.testing.assert_close(dropped, always[2].bias.detach().expand(3, K, 3), **FLOAT32)


def test_predictions_average_probabilities():
    model, inputs, _ = make("gal")
    log_probs = sample_log_probs(model, inputs, K, generator=stream(3, "masks"))
    averaged = predict_log_probs(model, inputs, K, generator=stream(3, "masks"))
    torch.testing.assert_close(averaged, log_probs.exp().mean(dim=1).log(), **FLOAT32)
    assert torch.equal(averaged, log_mean_exp(log_probs, dim=1))


@pytest.mark.parametrize("name", ["kirsch", "normalised"])
def test_the_deterministic_network_has_dropout_off(name):
    model, inputs, _ = make(name)
    model.train()
    log_probs = deterministic_log_probs(model, inputs)
    assert all(module.training for module in model.modules())
    with torch.no_grad():
        expected = model.eval()(inputs).log_softmax(dim=1)[:, None]
    assert log_probs.shape == (len(inputs), 1, expected.shape[-1])
    torch.testing.assert_close(log_probs, expected, **FLOAT32)


def state_of(model):
    modules = list(model.modules())
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules]
    return [module.training for module in modules], hooks, {name: t.clone() for name, t in model.state_dict().items()}


def assert_same_state(model, before):
    training, hooks, tensors = state_of(model)
    assert (training, hooks) == before[:2]
    assert all(torch.equal(tensors[name], tensor) for name, tensor in before[2].items())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_left_as_it_was(name):
    model, inputs, _ = make(name)
    model.train()
    list(model.modules())[-1].eval()
    kept, before = inputs.clone(), state_of(model)
    assert not sample_log_probs(model, inputs, K).requires_grad
    assert_same_state(model, before)
    assert torch.equal(inputs, kept)


@pytest.mark.parametrize("calls_that_work", [0, 1, 3])
def test_the_network_is_left_as_it_was_after_an_error(calls_that_work):
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout, self.norm, self.calls = nn.Dropout(), nn.BatchNorm1d(4), 0

        def forward(self, inputs):
            if self.calls == calls_that_work:
                raise RuntimeError("out of order")
            self.calls += 1
            return self.dropout(self.norm(inputs))

    model = nn.Sequential(nn.Linear(4, 4), Failing())
    model[1].norm.eval()
    before = state_of(model)
    with pytest.raises(RuntimeError, match="out of order"):
        sample_outputs(model, torch.randn(3, 4), K)
    assert_same_state(model, before)


def test_progress_goes_to_standard_error(capsys):
    model, inputs, _ = make("mlp")
    sample_log_probs(model, inputs, K, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "5/5" in captured.err


class SequenceFirst(nn.Module):
    """Puts something else than the inputs along the first dimension."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout()

    def forward(self, inputs):
        return self.dropout(inputs.transpose(0, 1)).transpose(0, 1)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout()

    def forward(self, inputs):
        return self.dropout(inputs), inputs


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.Linear(4, 3), ValueError, "model: expected at least one dropout layer"),
        (nn.Sequential(nn.AlphaDropout(), nn.Linear(4, 3)), ValueError, "model: .* got AlphaDropout at '0'"),
        (nn.Sequential(nn.Linear(4, 3), nn.FeatureAlphaDropout()), ValueError, "got FeatureAlphaDropout at '1'"),
        (nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), ValueError, "got MultiheadAttention at 'self_attn'"),
        (SequenceFirst(), ValueError, r"see inputs along their first dimension, got shape \(4, 1\)"),
        (Pair(), TypeError, "model: expected one that returns a tensor, Pair does not"),
    ],
)
def test_networks_that_cannot_be_masked_are_refused(model, error, message):
    inputs = torch.randn(2, 5, 4) if isinstance(model, nn.TransformerEncoderLayer) else torch.randn(2, 4)
    with pytest.raises(error, match=message):
        sample_outputs(model, inputs, K)


@pytest.mark.parametrize("num_samples", [0, -1, 2.0, True, "3"])
def test_a_number_of_samples_out_of_range_is_refused(num_samples):
    model, inputs, _ = make("mlp")
    with pytest.raises(ValueError, match="num_samples: expected a whole number, at least 1, got"):
        sample_log_probs(model, inputs, num_samples)


@pytest.mark.parametrize(
    "function", [deterministic_log_probs, lambda model, inputs: sample_log_probs(model, inputs, K)]
)
def test_inputs_and_outputs_of_the_wrong_kind_are_refused(function):
    model, inputs, _ = make("mlp")
    with pytest.raises(ValueError, match=r"inputs: expected at least one input .* got shape \(0, 4\)"):
        function(model, inputs[:0])
    with pytest.raises(TypeError, match="inputs: expected a tensor, got list"):
        function(model, inputs.tolist())
    with pytest.raises(ValueError, match="model: expected one that returns logits_n_C"):
        function(nn.Sequential(nn.Dropout(), nn.Unflatten(1, (2, 2))), inputs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["mlp", "gal", "kirsch", "residual"])
def test_a_gpu_sees_the_same_masks(name):
    model, inputs, _ = make(name, dtype=torch.float64)
    expected = sample_log_probs(model, inputs, K)
    on_gpu = sample_log_probs(model.cuda(), inputs, K)
    assert on_gpu.device.type == "cuda"
    torch.testing.assert_close(on_gpu.cpu(), expected, rtol=0, atol=1e-9)  # other libraries add up in another order
    with pytest.raises(ValueError, match="generator: expected one on the CPU"):
        sample_log_probs(model, inputs, K, generator=torch.Generator("cuda"))


class OwnForward(nn.Module):
    """Linear, dropout, ReLU, dropout, linear: the first dropout in a layer, the second in whatever way it is written."""

    def __init__(self, drop=None, second=lambda self, hidden: self.drop(hidden), first=0.2):
        super().__init__()
        self.before, self.dropout, self.after = nn.Linear(4, 16), nn.Dropout(first), nn.Linear(16, 3)
        self.drop, self.second = drop, second

    def forward(self, inputs):
        return self.after(self.second(self, torch.relu(self.dropout(self.before(inputs)))))


class AlwaysOn(nn.modules.dropout._DropoutNd):
    def forward(self, hidden):
        return F.dropout(hidden, self.p, training=True)


class AlwaysOnChannels(nn.modules.dropout._DropoutNd):
    def forward(self, hidden):
        return F.dropout2d(hidden.unflatten(1, (4, 2, 2)), self.p, True).flatten(1)


class Halved(nn.Dropout):
    """A dropout layer that does something else besides."""

    def forward(self, hidden):
        return super().forward(hidden) / 2


class Loud(nn.Dropout):
    """Gaussian noise in the clothes of dropout."""

    def forward(self, hidden):
        return hidden * (1 + torch.randn_like(hidden)) if self.training else hidden


def same_weights(build, *arguments, **options):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build(*arguments, **options).double()


def own_masks(model, inputs, masks, num_samples=K):
    """The passes of `OwnForward` by hand, with the masks of the protocol; `masks` gives p and shape of each, in order."""
    generator, outputs = stream(0, "masks"), []
    for _ in range(num_samples):
        first, second = ((torch.rand(shape, generator=generator) >= p).double() / (1 - p) for p, shape in masks)
        hidden = torch.relu(F.linear(inputs, model.before.weight, model.before.bias) * first)
        outputs.append(F.linear(hidden * second.expand(16).reshape(16), model.after.weight, model.after.bias))
    return torch.stack(outputs, dim=1).detach()


WRITTEN = {
    "function": (None, lambda self, hidden: F.dropout(hidden, 0.5, training=self.training)),
    "positions": (None, lambda self, hidden: F.dropout(hidden, 0.5, self.training)),
    "in place": (None, lambda self, hidden: F.dropout(hidden, 0.5, self.training, True)),
    "in place, unnamed": (None, lambda self, hidden: [F.dropout(hidden, 0.5, self.training, inplace=True), hidden][1]),
    "torch": (None, lambda self, hidden: torch.dropout(hidden, 0.5, train=self.training)),
    "always on": (None, lambda self, hidden: F.dropout(hidden)),
    "p by mode": (None, lambda self, hidden: F.dropout(hidden, 0.5 if self.training else 0.0)),
    "a layer that is always on": (AlwaysOn(0.5), lambda self, hidden: self.drop(hidden)),
    "a layer in a list": (nn.ModuleList([nn.Dropout(0.5)]), lambda self, hidden: self.drop[0](hidden)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_dropout_is_masked_once_however_it_is_written(name):
    drop, second = WRITTEN[name]
    model = same_weights(OwnForward, copy.deepcopy(drop), second)
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"), dtype=torch.float64)
    expected = own_masks(model, inputs, [(0.2, (16,)), (0.5, (16,))])
    before = torch.get_rng_state()
    torch.testing.assert_close(sample_outputs(model, inputs, K), expected, **FLOAT64)
    assert torch.equal(before, torch.get_rng_state()) and model.training
    wrapped = nn.Sequential(nn.Identity(), model.eval())
    torch.testing.assert_close(sample_outputs(wrapped, inputs, K), expected, **FLOAT64)


def test_a_network_may_have_no_dropout_but_a_function():
    model = same_weights(OwnForward, None, WRITTEN["function"][1], first=0.0)
    model.dropout = nn.Identity()
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"), dtype=torch.float64)
    generator, outputs = stream(0, "masks"), []
    for _ in range(K):
        mask = (torch.rand(16, generator=generator) >= 0.5).double() * 2
        outputs.append(model.after(torch.relu(model.before(inputs)) * mask))
    torch.testing.assert_close(sample_outputs(model, inputs, K), torch.stack(outputs, dim=1).detach(), **FLOAT64)


def test_whole_channels_dropped_by_a_function_share_a_mask():
    model = same_weights(OwnForward, AlwaysOnChannels(0.5))
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"), dtype=torch.float64)
    generator, outputs = stream(0, "masks"), []
    for _ in range(K):
        first = (torch.rand(16, generator=generator) >= 0.2).double() / 0.8
        channels = (torch.rand(4, 1, 1, generator=generator) >= 0.5).double() * 2
        outputs.append(model.after(torch.relu(model.before(inputs) * first) * channels.repeat_interleave(4).flatten()))
    torch.testing.assert_close(sample_outputs(model, inputs, K), torch.stack(outputs, dim=1).detach(), **FLOAT64)


def test_a_derived_layer_in_a_sequence_runs_as_it_is_written():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))
    always, halved = copy.deepcopy(plain), copy.deepcopy(plain)
    always[1], halved[1] = AlwaysOn(0.5), Halved(0.5)
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"))
    torch.testing.assert_close(sample_outputs(always, inputs, K), sample_outputs(plain, inputs, K), **FLOAT32)
    half = copy.deepcopy(plain)
    half[3].weight.data /= 2
    torch.testing.assert_close(sample_outputs(halved, inputs, K), sample_outputs(half, inputs, K), **FLOAT32)
    listened = copy.deepcopy(plain)
    listened[1].register_forward_hook(lambda module, args, output: output / 2)
    torch.testing.assert_close(sample_outputs(listened, inputs, K), sample_outputs(half, inputs, K), **FLOAT32)


class Twin(nn.Module):
    """Its second half sees one more dropout than the example did."""

    def __init__(self):
        super().__init__()
        self.dropout, self.passes = nn.Dropout(), 0

    def forward(self, inputs):
        self.passes += 1
        return self.dropout(self.dropout(inputs)) if self.passes > 4 else self.dropout(inputs)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (OwnForward(Loud(0.5)), "without it, passes in training mode still vary"),
        (OwnForward(None, lambda self, hidden: hidden + torch.randn(16) * self.training), "still vary"),
        (OwnForward(None, lambda self, hidden: F.alpha_dropout(hidden, 0.5, self.training)), "still vary"),
        (
            OwnForward(None, lambda self, hidden: F.dropout(hidden) if self.training else hidden),
            "called in evaluation mode as in training mode, where it is called 2 times, got 1",
        ),
        (nn.Sequential(nn.Linear(4, 4), Twin()), "expected the same calls of dropout in every pass"),
    ],
)
def test_randomness_that_masks_do_not_know_is_refused(model, message):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=f"model: .*{message}"):
        sample_outputs(model, torch.randn(5, 4, generator=stream(0, "inputs")), K)
    assert torch.equal(before, torch.get_rng_state())


def test_statistics_that_training_moves_stay_where_they_are():
    class Normalised(OwnForward):
        def __init__(self):
            super().__init__(nn.Identity())
            self.norm = nn.BatchNorm1d(16)
            self.own = nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16))

        def forward(self, inputs):
            return self.after(self.own(self.norm(self.dropout(self.before(inputs)))))

    model = Normalised()
    before = state_of(model)
    assert sample_outputs(model, torch.randn(5, 4), K).std(dim=1).max() > 1e-3
    assert_same_state(model, before)


class InPlace(nn.Module):
    """Changes what it gets, as nn.ReLU(inplace=True) does."""

    def forward(self, inputs):
        return inputs.mul_(2).relu_()


@pytest.mark.parametrize("name", ["mlp", "gal", "residual"])
def test_inputs_stay_what_they_are_where_a_network_works_in_place(name):
    inner, inputs, _ = make(name)
    model, kept = nn.Sequential(InPlace(), inner), inputs.clone()
    expected = sample_outputs(inner, (2 * inputs).relu(), K)
    torch.testing.assert_close(sample_outputs(model, inputs, K), expected, **FLOAT32)
    deterministic_log_probs(model, inputs)
    assert torch.equal(inputs, kept)


@pytest.mark.parametrize(
    "function", [lambda m, x: sample_log_probs(m, x, K), deterministic_log_probs, predict_log_probs]
)
def test_one_output_and_probabilities_are_no_logits(function):
    if function is predict_log_probs:
        function = lambda model, inputs: predict_log_probs(model, inputs, K)  # noqa: E731
    inputs = torch.randn(5, 4, generator=stream(0, "inputs"))
    body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout())
    with pytest.raises(ValueError, match="model: expected logits of at least two classes.* Bernoulli"):
        function(nn.Sequential(body, nn.Linear(8, 1)), inputs)
    logits = nn.Sequential(body, nn.Linear(8, 3))
    with pytest.raises(ValueError, match="model: expected logits or log-probabilities, got probabilities"):
        function(nn.Sequential(logits, nn.Softmax(dim=1)), inputs)
    torch.testing.assert_close(function(nn.Sequential(logits, nn.LogSoftmax(dim=1)), inputs), function(logits, inputs))


def test_inputs_of_another_type_than_the_weights_are_named():
    model, inputs, _ = make("mlp")
    with pytest.raises(
        TypeError, match="inputs: expected torch.float32, as the weights of the model, got torch.float64"
    ):
        sample_outputs(model, inputs.double(), K)


@pytest.mark.parametrize("name", ["mlp", "gal", "kirsch", "residual"])
@pytest.mark.parametrize("halved", [torch.bfloat16, torch.float16])
def test_mixed_precision_gives_normalised_probabilities_near_those_of_float32(name, halved):
    model, inputs, _ = make(name)
    expected = sample_log_probs(model, inputs, K).exp()
    with torch.autocast("cpu", halved):
        mixed = sample_log_probs(model, inputs, K)
    assert mixed.dtype == torch.float32
    bits = {torch.bfloat16: 8, torch.float16: 11}[halved]
    torch.testing.assert_close(mixed.exp(), expected, rtol=0, atol=4 * 2**-bits)


def test_fresh_masks_are_a_loop_of_passes_in_training_mode():
    """Wrapped, the network runs as a whole, with `nn.Dropout` itself."""
    network, inputs = MLP(4, 3, hidden=(7, 5), dropout=0.3), torch.randn(3, 4)
    found = fresh_log_probs(Wrapped(network), inputs, K, generator=stream(1, "masks"))
    torch.manual_seed(torch.randint(2**62, (), generator=stream(1, "masks")).item())
    with torch.no_grad():
        plain = torch.stack([network.train()(inputs) for _ in range(K)], dim=1).log_softmax(dim=-1)
    torch.testing.assert_close(found, plain, **FLOAT32)


def test_fresh_masks_of_a_sequential_network_have_the_mean_over_all_masks():
    network, inputs, p, num_samples = MLP(4, 3, hidden=(5,), dropout=0.3), torch.randn(3, 4), 0.3, 20_000
    hidden_n_H = nn.Sequential(*list(network)[:3])(inputs).detach()
    masks = torch.tensor(list(product([0.0, 1.0], repeat=5)))
    weights = (masks * (1 - p) + (1 - masks) * p).prod(dim=1)
    probs_n_M_C = list(network)[-1](hidden_n_H[:, None] * masks / (1 - p)).softmax(dim=-1).detach()
    expected_n_C = torch.einsum("m,nmc->nc", weights, probs_n_M_C)
    probs_n_K_C = fresh_log_probs(network, inputs, num_samples, generator=stream(2, "masks")).exp()
    error_n_C = probs_n_K_C.std(dim=1) / num_samples**0.5
    assert ((probs_n_K_C.mean(dim=1) - expected_n_C).abs() < 4 * error_n_C).all()


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quick_dropout_keeps_the_right_share_and_neighbours_do_not_know_of_each_other(p, dtype):
    torch.manual_seed(0)
    kept = _QuickDropout(p)(torch.ones(1001, 999, dtype=dtype)) != 0
    size = kept.numel()
    assert abs(kept.double().mean() - (1 - p)) <= 4 * (p * (1 - p) / size) ** 0.5 + 2**-16
    flat = kept.flatten().double() - (1 - p)
    for lag in range(1, 9):  # sixteen bits of one word lie beside each other
        assert abs((flat[lag:] * flat[:-lag]).mean()) <= 4.5 * p * (1 - p) / size**0.5 + 1e-9


def test_quick_dropout_keeps_the_expectation():
    torch.manual_seed(0)
    dropped = _QuickDropout(0.25)(torch.full((1000, 1000), 3.0))
    assert dropped.mean().item() == pytest.approx(3, abs=0.01) and set(dropped.unique().tolist()) == {0.0, 4.0}


def test_fresh_masks_differ_between_copies_of_an_input_and_agree_on_average():
    network = MLP(4, 3, hidden=(7, 5), dropout=0.3).eval()
    twice = torch.randn(1, 4).expand(2, 4)
    first, second = fresh_log_probs(network, twice, 4000, generator=stream(0, "masks")).exp()
    assert not torch.equal(first, second)
    shared = sample_log_probs(network, twice, 4000, generator=stream(0, "masks")).exp()
    assert torch.equal(*shared)
    error_C = (first.var(dim=0) / 4000 + shared[0].var(dim=0) / 4000).sqrt()
    assert ((first.mean(dim=0) - shared[0].mean(dim=0)).abs() < 4 * error_C).all()


def test_fresh_masks_leave_the_network_and_the_global_generator_as_they_were():
    network, state = MLP(4, 3, hidden=(7, 5), dropout=0.3).train(), torch.get_rng_state()
    fresh_log_probs(network, torch.randn(2, 4, generator=stream(0, "inputs")), K)
    assert all(module.training for module in network.modules()) and torch.equal(torch.get_rng_state(), state)


def test_fresh_masks_need_dropout():
    with pytest.raises(ValueError, match="model"):
        fresh_log_probs(nn.Sequential(nn.Linear(4, 3)), torch.zeros(2, 4), K)


def test_fresh_masks_of_attention_that_drops_by_itself():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, dropout=0.4, batch_first=True)

        def forward(self, inputs):
            return self.attention(inputs, inputs, inputs)[0].mean(dim=1)

    first, second = fresh_log_probs(Attention(), torch.randn(1, 3, 4).expand(2, 3, 4), K)
    assert not torch.equal(first, second) and len(first.unique(dim=0)) == K
