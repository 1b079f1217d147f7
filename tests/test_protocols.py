"""Named protocols: stored records carry them, and what the protocol of 2017 needs does what its scripts did."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from bal_utils.active_learning import MODELS, PROTOCOLS, LoopConfig, in_json, run_active_learning
from bal_utils.data import load_images, unit_pixels
from bal_utils.models import MLP, GalCNN
from bal_utils.records import load_runs
from bal_utils.sweep.__main__ import main
from bal_utils.training.fit import FitConfig, fit, initialised

FIGURES = Path(__file__).parent.parent / "figures"
DIGITS = load_images("digits")


@pytest.mark.parametrize(
    ("protocol", "folder"),
    [
        ("kirsch2019", "kirsch2019"),
        ("kirsch2019", "kirsch2019_margin"),
        ("gal2017-as-written", "gal2017"),
        ("gal2017-as-found", "gal2017_as_found"),
        ("hundred-a-round", "query100"),
        ("hundred-a-round", "query100_fresh"),
        ("hundred-a-round-fixed-steps", "query100_fixed_steps"),
    ],
)
def test_stored_records_carry_the_protocol_of_their_name(protocol, folder):
    base = PROTOCOLS[protocol]
    for run in load_runs(FIGURES / folder):
        own = {name: run["config"][name] for name in ("strategy", "batch_size", "labels", "posterior", "seed")}
        own["fit"] = replace(base.fit, precision=run["config"]["fit"].get("precision"))  # the machine's affair
        assert run["config"] == in_json(replace(base, **own))


def test_the_protocol_found_behind_the_table_of_2017():
    config = PROTOCOLS["gal2017-as-found"]
    assert (config.initial_per_class, config.batch_size, config.candidates, config.num_samples) == (10, 5, 1000, 100)
    assert (config.fit.batch_size, config.fit.max_epochs, config.fit.stop_on) == (128, 50, "never")
    model = initialised(lambda: MODELS[config.model](load_images("digits")), 0)
    kernels = [tuple(layer.kernel_size) for layer in model if isinstance(layer, torch.nn.Conv2d)]
    assert kernels == [(3, 3), (3, 3)]
    for layer in (layer for layer in model if hasattr(layer, "weight")):
        outputs, inputs = layer.weight.flatten(1).shape  # as Keras counted them then
        largest = math.sqrt(6 / (inputs + outputs))
        assert layer.bias.eq(0).all() and 0.9 * largest < layer.weight.abs().max() <= largest


def test_both_gal_networks_have_the_shapes_of_their_sources():
    """On 28 pixels: 32 maps of 11 (kernels of 4) or 12 pixels (kernels of 3) enter the dense layer of 128."""
    for kernel, maps in ((4, 11), (3, 12)):
        assert GalCNN(kernel_size=kernel)[7].weight.shape == (128, 32 * maps**2)


def test_the_penalty_is_that_of_the_formula():
    """Full-batch Adam on mean cross-entropy + λ/N (‖W₁‖² + ‖W₂‖²), written out; the last layer has no penalty."""
    inputs, labels, penalty = DIGITS.train_images[:40].float() / 255, DIGITS.train_labels[:40], 7.0
    own, other = (initialised(lambda: MLP(64, 10, hidden=(12, 12), dropout=0.0), 1) for _ in range(2))
    fit(
        own,
        inputs,
        labels,
        config=FitConfig(batch_size=40, max_epochs=8, stop_on="never", dense_penalty=penalty),
        seed=0,
    )
    adam = torch.optim.Adam(other.parameters(), lr=1e-3)
    for _ in range(8):
        adam.zero_grad()
        squares = other[1].weight.square().sum() + other[4].weight.square().sum()
        (F.cross_entropy(other(inputs), labels) + penalty / 40 * squares).backward()
        adam.step()
    for mine, theirs in zip(own.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_training_that_never_stops_keeps_the_last_weights_and_does_not_look_at_validation():
    images, labels = DIGITS.train_images[:60].float() / 255, DIGITS.train_labels[:60]
    config = FitConfig(max_epochs=5, patience=1, stop_on="never", learning_rate=0.1)  # steps that make it worse
    alone, beside = (initialised(lambda: MLP(64, 10, hidden=(8,)), 2) for _ in range(2))
    fit(alone, images, labels, config=config, seed=0)
    result = fit(beside, images, labels, config=config, seed=0, validation=(images[:20], labels[:20]))
    assert result.epochs == 5 and result.validation_loss == []
    for mine, theirs in zip(alone.parameters(), beside.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_unit_pixels_are_whole_levels_of_grey_between_0_and_1():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert unit_pixels(images).mul(255).round().flatten().tolist() == list(range(256))
    with pytest.raises(TypeError, match="^images: "):
        unit_pixels(images.float())


SMALL = LoopConfig(
    strategy="bald", model="mlp", labels=30, batch_size=10, validation_size=50, num_samples=4, test_samples=4,
    fit=FitConfig(max_epochs=2),
)  # fmt: skip


def test_a_network_can_be_tested_with_dropout_off_and_ask_with_dropout_on():
    stochastic = run_active_learning(SMALL, DIGITS, device="cpu", progress=False)
    mixed = run_active_learning(replace(SMALL, test_posterior="deterministic"), DIGITS, device="cpu", progress=False)
    off = run_active_learning(replace(SMALL, posterior="deterministic"), DIGITS, device="cpu", progress=False)
    first = [run["rounds"][0] for run in (stochastic, mixed, off)]
    assert first[1]["nll"] == first[2]["nll"] != first[0]["nll"]
    assert first[1]["acquired"] == first[0]["acquired"] != first[2]["acquired"]


@pytest.mark.parametrize(("name", "value"), [("test_posterior", "ensemble"), ("pixels", "raw"), ("labels", 0)])
def test_settings_that_do_not_exist_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: "):
        replace(SMALL, **{name: value})


def test_fewer_labels_than_a_run_starts_with():
    with pytest.raises(ValueError, match="^labels: expected at least the 20"):
        run_active_learning(replace(SMALL, labels=19), DIGITS, device="cpu", progress=False)


def test_the_command_takes_a_protocol_and_other_options_change_it(tmp_path):
    main(["--protocol", "gal2017-as-found", "--dataset", "digits", "--strategies", "random", "--labels", "105",
          "--validation-size", "50", "--model", "mlp", "--device", "cpu", "--out", str(tmp_path)])  # fmt: skip
    (run,) = load_runs(tmp_path)
    changes = {"strategy": "random", "labels": 105, "validation_size": 50, "model": "mlp"}
    assert run["config"] == in_json(replace(PROTOCOLS["gal2017-as-found"], **changes))
    assert [entry["epochs"] for entry in run["rounds"]] == [50, 50]
