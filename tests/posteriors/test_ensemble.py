"""Ensembles against the same networks trained one by one, and against a normal model whose fit is known."""

import math
import statistics
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bal_utils.data import sine_with_gap, two_moons
from bal_utils.models import MLP, KirschCNN
from bal_utils.posteriors.ensemble import fit_anchored, fit_ensemble, member_seed, sample_log_probs
from bal_utils.posteriors.weights import WeightSamples, weight_vector
from bal_utils.runtime import stream
from bal_utils.theory.uncertainty import gaussian_nll
from bal_utils.training.fit import FitConfig, fit, initialised

M, SEED = 3, 7
CONFIG = FitConfig(learning_rate=1e-2, batch_size=16, max_epochs=3, weight_decay=1e-3)
EXACT = {torch.float64: 1e-11, torch.float32: 1e-5}  # Adam divides by small numbers, which enlarges rounding


def mlp(dtype=torch.float32, dropout=0.0):
    return MLP(2, 2, hidden=(8,), dropout=dropout).to(dtype)


def cnn(dtype=torch.float32):
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).to(dtype)


def data(network=mlp, dtype=torch.float32):
    """40 examples: the last batch of 16 is a short one."""
    points_N_2, labels_N = two_moons(40, 0.2, 0)
    if network is mlp:
        return points_N_2.to(dtype), labels_N
    images = torch.randn(40, 1, 6, 6, generator=stream(0, "images")) + labels_N[:, None, None, None]
    return images.to(dtype), labels_N


def one_by_one(factory, inputs, labels, config=CONFIG, **options):
    networks = [initialised(factory, member_seed(SEED, m)) for m in range(M)]
    for m, network in enumerate(networks):
        fit(network, inputs, labels, config=config, seed=member_seed(SEED, m), **options)
    return networks


def together(factory, inputs, labels, config=CONFIG, **options):
    return fit_ensemble(factory, inputs, labels, num_members=M, config=config, seed=SEED, **options)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("network", [mlp, cnn])
@pytest.mark.parametrize("epoch_samples", [None, 25])
def test_the_ensemble_is_the_networks_trained_one_by_one(network, dtype, epoch_samples):
    inputs, labels = data(network, dtype)
    config = replace(CONFIG, epoch_samples=epoch_samples)
    ensemble = together(lambda: network(dtype), inputs, labels, config)
    networks = one_by_one(lambda: network(dtype), inputs, labels, config)
    expected = torch.stack([weight_vector(member) for member in networks])
    torch.testing.assert_close(ensemble.weights_K_D, expected, rtol=0, atol=EXACT[dtype])
    assert torch.pdist(ensemble.weights_K_D).min() > 0.1 and not ensemble.weights_K_D.requires_grad
    with torch.no_grad():
        log_probs = torch.stack([member(inputs).log_softmax(-1) for member in networks], dim=1)
    torch.testing.assert_close(sample_log_probs(ensemble, inputs), log_probs, rtol=0, atol=10 * EXACT[dtype])


@pytest.mark.parametrize("change", [{"weight_decay": 0.0}, {"max_epochs": 2}, {"batch_size": 40}])
def test_every_setting_counts(change):
    assert not torch.equal(
        together(mlp, *data()).weights_K_D, together(mlp, *data(), replace(CONFIG, **change)).weights_K_D
    )


def test_validation_settings_do_not_count():
    unused = replace(CONFIG, patience=1, stop_on="accuracy")
    assert torch.equal(together(mlp, *data()).weights_K_D, together(mlp, *data(), unused).weights_K_D)


def test_a_loss_of_two_outputs():
    inputs, targets_N_1 = sine_with_gap(40, 0.2, 0)

    def head():
        return MLP(1, 2, hidden=(8,), dropout=0.0)

    ensemble = together(head, inputs, targets_N_1[:, 0], loss=gaussian_nll)
    networks = one_by_one(head, inputs, targets_N_1[:, 0], loss=gaussian_nll)
    expected = torch.stack([weight_vector(member) for member in networks])
    torch.testing.assert_close(ensemble.weights_K_D, expected, rtol=0, atol=1e-5)
    assert ensemble.sample_outputs(inputs).shape == (40, M, 2)


@pytest.mark.slow
def test_constant_networks_find_the_mean_and_the_variance():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.outputs_2 = nn.Parameter(torch.randn(2))

        def forward(self, inputs_N_1):
            return self.outputs_2.expand(len(inputs_N_1), 2)

    targets = [1.0, 2.0, 4.0, 9.0]
    config = FitConfig(learning_rate=0.05, batch_size=4, max_epochs=1500)
    ensemble = together(Constant, torch.zeros(4, 1), torch.tensor(targets), config, loss=gaussian_nll)
    expected = torch.tensor([statistics.fmean(targets), math.log(statistics.pvariance(targets))])
    torch.testing.assert_close(ensemble.weights_K_D, expected.expand(M, 2), rtol=0, atol=1e-3)


def test_the_first_members_of_a_large_ensemble_are_a_small_one():
    inputs, labels = data()
    large = fit_ensemble(mlp, inputs, labels, num_members=4, config=CONFIG, seed=SEED)
    torch.testing.assert_close(large.weights_K_D[:M], together(mlp, inputs, labels).weights_K_D, rtol=0, atol=1e-5)
    log_probs_N_K_C = sample_log_probs(large, inputs)
    assert log_probs_N_K_C.shape == (40, 4, 2)
    assert torch.equal(sample_log_probs(large, inputs, 4), log_probs_N_K_C)
    torch.testing.assert_close(sample_log_probs(large, inputs, 2, generator=stream(0, "any")), log_probs_N_K_C[:, :2])
    torch.testing.assert_close(large.sample_outputs(inputs, 1).log_softmax(-1), log_probs_N_K_C[:, :1])


def test_dropout_masks_differ_between_members():
    # Networks that start alike and see the same whole batch differ by their masks alone.
    inputs, labels = data()
    config = FitConfig(batch_size=40, max_epochs=1)
    members = fit_ensemble(lambda: seeded(0.5), inputs, labels, num_members=4, config=config).weights_K_D
    assert torch.pdist(members).min() > 1e-4
    alike = fit_ensemble(lambda: seeded(0.0), inputs, labels, num_members=4, config=config).weights_K_D
    torch.testing.assert_close(alike, alike[:1].expand(4, -1), rtol=0, atol=1e-6)


def seeded(dropout):
    model = mlp(dropout=dropout)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.3) if parameter.dim() == 1 else nn.init.eye_(parameter)
    return model


def test_dropout_of_channels_and_evaluation_without_it():
    images, labels = torch.randn(6, 1, 16, 16, generator=stream(0, "images")), torch.arange(6)
    config = FitConfig(max_epochs=1)
    ensemble = fit_ensemble(lambda: KirschCNN(image_size=16), images, labels, num_members=2, config=config)
    first = sample_log_probs(ensemble, images)
    assert torch.equal(first, sample_log_probs(ensemble, images)) and first.isfinite().all()


def test_frozen_parameters_stay_and_may_differ_between_members():
    def frozen():
        model = mlp()
        model[1].requires_grad_(False)
        return model

    ensemble = together(frozen, *data())
    before = torch.stack([weight_vector(initialised(frozen, member_seed(SEED, m))) for m in range(M)])
    moved = (ensemble.weights_K_D != before).float().mean(dim=0)
    assert moved[:24].max() == 0 and moved[24:].min() == 1  # 8 x 2 weights and 8 biases come first


def test_global_randomness_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    together(lambda: mlp(dropout=0.5), *data())
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(6)
    again = together(lambda: mlp(dropout=0.5), *data())
    assert torch.equal(again.weights_K_D, together(lambda: mlp(dropout=0.5), *data()).weights_K_D)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, None])
def test_a_bad_number_of_members(bad):
    with pytest.raises(ValueError, match="num_members: expected a whole number, at least 1"):
        fit_ensemble(mlp, *data(), num_members=bad, config=CONFIG)


def test_more_samples_than_members():
    ensemble, inputs = together(mlp, *data()), data()[0]
    for function in (sample_log_probs, WeightSamples.sample_outputs):
        with pytest.raises(ValueError, match="num_samples: expected a whole number, from 1 to 3, got 4"):
            function(ensemble, inputs, 4)
        with pytest.raises(ValueError, match="num_samples: expected a whole number, from 1 to 3, got 0"):
            function(ensemble, inputs, 0)
        with pytest.raises(ValueError, match="inputs: expected at least one"):
            function(ensemble, inputs[:0])


def test_unfit_data_are_refused_as_by_fit():
    inputs, labels = data()
    for arguments, error in (
        ((inputs[:0], labels[:0]), ValueError),
        ((inputs, labels[:-1]), ValueError),
        ((inputs, labels + 1), ValueError),
        ((inputs, labels.to(torch.complex64)), TypeError),
        ((inputs * math.nan, labels), FloatingPointError),
    ):
        with pytest.raises(error) as ours:
            together(mlp, *arguments)
        with pytest.raises(error) as theirs:
            fit(mlp(), *arguments, config=CONFIG, seed=0)
        assert str(ours.value).removeprefix("member 0's ") == str(theirs.value)


def test_networks_that_cannot_be_stacked_are_refused():
    inputs, labels = data()
    normalised = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="factory: .*statistics of their batches.*BatchNorm1d at '1'"):
        together(lambda: normalised, inputs, labels)
    same = mlp()
    with pytest.raises(ValueError, match="factory: expected a new network at each call"):
        together(lambda: same, inputs, labels)
    widths = iter((4, 4, 5))
    with pytest.raises(ValueError, match="factory: expected networks with the same parameters"):
        together(lambda: MLP(2, 2, hidden=(next(widths),)), inputs, labels)

    def with_buffer():
        model = mlp()
        model.register_buffer("shift", torch.randn(2))
        return model

    with pytest.raises(ValueError, match="factory: expected networks that differ in their parameters alone"):
        together(with_buffer, inputs, labels)


def test_a_single_member_and_progress(capsys):
    inputs, labels = data()
    ensemble = fit_ensemble(mlp, inputs, labels, num_members=1, config=CONFIG, progress=True)
    assert isinstance(ensemble, WeightSamples) and len(ensemble.weights_K_D) == 1
    assert "training" in capsys.readouterr().err and not ensemble.model.training


def test_members_minimise_the_loss():
    inputs, labels = data()
    config = FitConfig(learning_rate=1e-2, batch_size=40, max_epochs=300)
    ensemble = together(mlp, inputs, labels, config)
    losses = F.nll_loss(sample_log_probs(ensemble, inputs).transpose(1, 2), labels[:, None].expand(-1, M))
    assert losses < 0.35


def linear_posterior(inputs_N_2, targets_N, prior_std, noise_std):
    rows_N_3 = torch.cat([inputs_N_2, torch.ones(len(inputs_N_2), 1).double()], dim=1)
    precision_3_3 = rows_N_3.mT @ rows_N_3 / noise_std**2 + prior_std.square().reciprocal().diag()
    covariance_3_3 = precision_3_3.inverse()
    return covariance_3_3 @ rows_N_3.mT @ targets_N / noise_std**2, covariance_3_3


def test_members_of_an_anchored_ensemble_are_draws_from_the_posterior_of_a_line():
    inputs_N_2 = torch.randn(15, 2, generator=stream(0, "x"), dtype=torch.float64)
    targets_N_1 = inputs_N_2.sum(dim=1, keepdim=True) + 1
    prior_std = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    config = FitConfig(learning_rate=0.1, batch_size=15, max_epochs=600, weight_decay=5)  # the anchors replace it
    found = fit_anchored(
        lambda: nn.Linear(2, 1).double(), inputs_N_2, targets_N_1,
        prior_std=prior_std, noise_std=0.7, num_members=2000, config=config, falling=True,
    ).weights_K_D  # fmt: skip
    mean_3, covariance_3_3 = linear_posterior(inputs_N_2, targets_N_1[:, 0], prior_std, 0.7)
    std_3 = covariance_3_3.diagonal().sqrt()
    assert ((found.mean(dim=0) - mean_3).abs() < 4 * std_3 / 2000**0.5).all()
    scaled_3_3 = found.mT.cov() / (std_3[:, None] * std_3)
    torch.testing.assert_close(
        scaled_3_3, covariance_3_3 / (std_3[:, None] * std_3), rtol=0, atol=4 * (2 / 2000) ** 0.5
    )


def test_an_anchored_member_is_the_maximum_for_its_anchor():
    """Of a classifier, whose labels stay: L-BFGS from the member does not move."""
    inputs, labels = data(dtype=torch.float64)
    config = FitConfig(learning_rate=3e-2, batch_size=40, max_epochs=1500)
    found = fit_anchored(
        lambda: nn.Linear(2, 2).double(), inputs, labels, prior_std=0.8, num_members=2, config=config, falling=True
    )
    anchors_M_D = 0.8 * torch.randn(2, 6, generator=stream(0, "anchors"), dtype=torch.float64)
    for weights_D, anchor_D in zip(found.weights_K_D, anchors_M_D, strict=True):
        weights_D = weights_D.clone().requires_grad_()
        logits_N_2 = inputs @ weights_D[:4].reshape(2, 2).mT + weights_D[4:]
        penalty = ((weights_D - anchor_D) / 0.8).square().sum() / 2
        (F.cross_entropy(logits_N_2, labels, reduction="sum") + penalty).backward()
        assert weights_D.grad.abs().max() < 1e-3


def test_an_anchored_ensemble_names_bad_numbers():
    inputs, labels = data(dtype=torch.float64)
    options = {"num_members": 3, "config": CONFIG}
    with pytest.raises(ValueError, match="prior_std"):
        fit_anchored(lambda: mlp(torch.float64), inputs, labels, prior_std=0.0, **options)
    with pytest.raises(ValueError, match="noise_std"):
        fit_anchored(lambda: mlp(torch.float64), inputs, inputs[:, :1], prior_std=1.0, noise_std=0.0, **options)
    with pytest.raises(ValueError, match="num_members"):
        fit_anchored(lambda: mlp(torch.float64), inputs, labels, prior_std=1.0, num_members=0, config=CONFIG)
