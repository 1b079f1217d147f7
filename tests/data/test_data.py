"""Data: MNIST against its published counts, digits against scikit-learn, and toys against their generating formulas."""

import math
import os
import socket
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.datasets import load_digits

from bal_utils import data
from bal_utils.data import (
    ImageData,
    balanced_start,
    load_images,
    load_mnist,
    mnist,
    noisy_line,
    sine_with_gap,
    standardise,
    two_moons,
)
from bal_utils.runtime import stream

TOYS = [two_moons, noisy_line, sine_with_gap]
REGRESSIONS = TOYS[1:]
MANY = 20_000  # 4 standard errors are then 2.8 % of a mean's deviation and 2 % of a deviation
LIMIT = 4 / math.sqrt(MANY)  # of a standardised mean; a deviation errs by 1/√2 of that


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


@pytest.fixture(scope="module")
def real_mnist():
    if not os.environ.get("BAL_DATA_DIR"):
        pytest.skip("BAL_DATA_DIR is not set: the published MNIST files are not at hand")
    return load_mnist()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Neither files nor a mirror that answers."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{reserved.getsockname()[1]}/",))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path / "cache"))
        for name in ("BAL_DATA_DIR", "BAL_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield


def example(**changes):
    images, labels_N = torch.zeros(4, 1, 3, 2, dtype=torch.uint8), torch.tensor([0, 1, 2, 0])
    fields = {"train_images": images, "train_labels": labels_N, "test_images": images, "test_labels": labels_N}
    return ImageData(name="example", **(fields | changes))


def test_mnist_has_the_published_counts(real_mnist):
    assert real_mnist.name == "MNIST" and real_mnist.num_classes == 10 and not real_mnist.is_stand_in
    assert real_mnist.train_images.shape == (60000, 1, 28, 28) and real_mnist.test_images.shape == (10000, 1, 28, 28)
    assert real_mnist.train_images.dtype == real_mnist.test_images.dtype == torch.uint8
    train_counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert real_mnist.train_labels.bincount().tolist() == train_counts
    assert real_mnist.test_labels.bincount().tolist() == test_counts


def test_mnist_is_read_once(real_mnist):
    assert load_mnist() is real_mnist
    assert load_mnist(os.environ["BAL_DATA_DIR"]) is real_mnist
    assert load_images() is real_mnist


def test_mnist_becomes_standard(real_mnist):
    pixels = standardise(real_mnist.train_images)
    assert abs(pixels.mean().item()) < 5e-4 and abs(pixels.std().item() - 1) < 5e-4  # the constants have four digits


@pytest.mark.parametrize("offline", ["", "1"])
def test_without_mnist_the_digits_stand_in_and_say_so(no_network, monkeypatch, digits, offline):
    monkeypatch.setenv("BAL_OFFLINE", offline)
    with pytest.warns(UserWarning, match=r"1,797 images of 8x8 pixels.*To get MNIST.*BAL_DATA_DIR") as caught:
        stand_in = load_images()
    assert len(caught) == 1 and caught[0].filename == __file__
    assert stand_in.is_stand_in and stand_in.name == "digits 8x8 (stand-in for MNIST)"
    assert torch.equal(stand_in.train_images, digits.train_images)
    with pytest.raises(ConnectionError):
        load_mnist()


def test_without_requests_the_digits_stand_in(no_network, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)  # as if it were not installed
    with pytest.warns(UserWarning, match=r"MNIST cannot be had \(.*requests"):
        assert load_images().is_stand_in


def test_damaged_or_misplaced_mnist_is_not_replaced(no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("BAL_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="BAL_DATA_DIR"):
        load_images()
    monkeypatch.setenv("BAL_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        load_images()
    for file in mnist.FILES.values():
        (tmp_path / file.name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: expected the published"):
        load_images()


def test_unknown_images_are_refused():
    with pytest.raises(ValueError, match="name: expected one of 'mnist', 'digits', got 'cifar'"):
        load_images("cifar")


def test_digits_by_choice_are_all_of_scikit_learns_without_a_warning():
    data.digits.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        digits = load_images("digits")
    assert digits.name == "scikit-learn digits" and not digits.is_stand_in and digits.num_classes == 10
    assert len(digits.test_labels) == 360 and digits.train_images.shape[1:] == (1, 8, 8)

    def rows(pixels, labels):
        return sorted(map(tuple, np.column_stack([pixels, labels]).astype(int).tolist()))

    published, labels = load_digits(return_X_y=True)
    grey_levels = torch.cat([digits.train_images, digits.test_images]).flatten(1).double() * 16 / 255
    assert (grey_levels - grey_levels.round()).abs().max() < 0.04  # half a step of 1/255 is 0.031 grey levels
    ours = rows(grey_levels.round().numpy(), torch.cat([digits.train_labels, digits.test_labels]).numpy())
    assert ours == rows(published, labels)


def test_digits_are_split_by_class(digits):
    total_C = digits.train_labels.bincount() + digits.test_labels.bincount()
    expected_C = total_C * 360 / 1797
    assert (digits.test_labels.bincount() - expected_C).abs().max() <= 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"train_images": np.zeros((4, 1, 3, 2))}, TypeError, "train_images: expected a tensor, got ndarray"),
        ({"test_labels": [0, 1, 2, 0]}, TypeError, "test_labels: expected a tensor, got list"),
        ({"train_images": torch.zeros(4, 3, 2)}, ValueError, r"train_images: .*got \(4, 3, 2\)"),
        ({"test_images": torch.zeros(4, 3, 3, 2)}, ValueError, r"test_images: .*\(N, 1, H, W\).*got \(4, 3, 3, 2\)"),
        ({"train_images": torch.zeros(0, 1, 3, 2)}, ValueError, "train_images: .*nothing empty"),
        ({"train_labels": torch.tensor([0, 1, 2])}, ValueError, r"train_labels: expected shape \(4,\), got \(3,\)"),
        ({"test_labels": torch.zeros(4, 1, dtype=torch.int64)}, ValueError, r"test_labels: .*got \(4, 1\)"),
        ({"test_labels": torch.zeros(4)}, TypeError, "test_labels: expected int64, got torch.float32"),
        ({"train_labels": torch.tensor([0, 1, 2, -1])}, ValueError, "train_labels: .*got -1"),
        ({"test_images": torch.zeros(4, 1, 2, 2)}, ValueError, r"test_images: .*\(1, 3, 2\).*got \(1, 2, 2\)"),
    ],
)
def test_image_data_must_fit_together(changes, error, message):
    with pytest.raises(error, match=message):
        example(**changes)


def test_classes_are_counted_over_both_sets():
    assert example().num_classes == 3
    assert example(test_labels=torch.tensor([0, 0, 4, 1])).num_classes == 5


def test_standardise_follows_the_formula_on_every_byte():
    pixels = torch.arange(256, dtype=torch.uint8)
    expected = (np.arange(256) / 255 - 0.1307) / 0.3081
    standardised = standardise(pixels)
    assert standardised.dtype == torch.float32
    np.testing.assert_allclose(standardised.numpy(), expected, atol=5e-7)  # a few float32 roundings of numbers up to 3
    assert pixels.tolist() == list(range(256))


def test_standardise_leaves_standardised_images_alone():
    once = standardise(torch.arange(256, dtype=torch.uint8))
    assert torch.equal(standardise(once), once)
    assert standardise(once.double()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.int64, torch.int16, torch.bool])
def test_standardise_refuses_other_types(dtype):
    with pytest.raises(TypeError, match=f"images: expected uint8.*got {dtype}"):
        standardise(torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("value", [255.0, -255.0, math.inf, -math.inf, math.nan])
def test_standardise_refuses_floats_that_are_not_standardised(value):
    with pytest.raises(ValueError, match=f"images: expected floating images to be standardised already.*{value:g}"):
        standardise(torch.tensor([0.0, value]))


def test_balanced_start_takes_as_many_of_each_class(digits):
    indices = balanced_start(digits.train_labels, 7, stream(0, "start"))
    assert indices.dtype == torch.int64 and (indices.diff() > 0).all()  # ascending, so also without repeats
    assert digits.train_labels[indices].bincount().tolist() == [7] * 10
    assert torch.equal(indices, balanced_start(digits.train_labels, 7, stream(0, "start")))
    assert torch.equal(indices, balanced_start(digits.train_labels, np.int64(7), stream(0, "start")))
    assert not torch.equal(indices, balanced_start(digits.train_labels, 7, stream(1, "start")))


def test_balanced_start_draws_all_examples_of_a_class_alike():
    labels_N = torch.tensor([0, 1, 1, 0, 1, 0, 1, 1])
    generator = stream(0, "start")
    draws = 3000
    picked_N = torch.zeros(8)
    for _ in range(draws):
        picked_N[balanced_start(labels_N, 2, generator)] += 1
    expected_N = torch.where(labels_N == 0, 2 / 3, 2 / 5)
    error_N = (expected_N * (1 - expected_N) / draws).sqrt()
    assert ((picked_N / draws - expected_N).abs() < 4 * error_N).all()


@pytest.mark.parametrize(
    ("labels", "per_class", "message"),
    [
        ([0, 0, 1], 2, "per_class: expected at most 1, the examples of class 1, got 2"),
        ([0, 0, 2, 2], 1, "per_class: expected at most 0, the examples of class 1, got 1"),
        ([0, 1], 0, "per_class: expected a whole number, at least 1, got 0"),
        ([0, 1], -3, "per_class: expected a whole number, at least 1, got -3"),
        ([[0, 1]], 1, r"labels_N: expected one dimension, not empty, got shape \(1, 2\)"),
        ([], 1, r"labels_N: expected one dimension, not empty, got shape \(0,\)"),
    ],
)
def test_balanced_start_refuses_what_it_cannot_give(labels, per_class, message):
    with pytest.raises(ValueError, match=message):
        balanced_start(torch.tensor(labels, dtype=torch.int64), per_class, stream(0))


@pytest.mark.parametrize("toy", TOYS)
def test_toys_depend_on_their_arguments_alone(toy):
    torch.manual_seed(0)
    np.random.seed(0)
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first = toy(30, 0.1, 3)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    torch.manual_seed(1)
    again, other = toy(30, 0.1, 3), toy(30, 0.1, 4)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf])
def test_toys_refuse_impossible_noise(toy, noise):
    with pytest.raises(ValueError, match=f"noise: expected a finite number, at least 0, got {noise}"):
        toy(10, noise, 0)


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("num_points", [0, -5, 2.5, True])
def test_toys_refuse_impossible_sizes(toy, num_points):
    with pytest.raises(ValueError, match=f"num_points: expected a whole number, at least .*, got {num_points}"):
        toy(num_points, 0.1, 0)


@pytest.mark.parametrize("toy", TOYS)
def test_toys_take_numbers_from_arrays(toy):
    size, noise = np.array([12]), np.array([0.1])
    assert all(torch.equal(*pair) for pair in zip(toy(size[0], noise[0], 0), toy(12, 0.1, 0), strict=True))


def test_two_moons_lie_on_their_half_circles():
    points_N_2, labels_N = two_moons(101, 0.0, 0)
    assert points_N_2.shape == (101, 2) and points_N_2.dtype == torch.float32 and labels_N.dtype == torch.int64
    assert sorted(labels_N.bincount().tolist()) == [50, 51]
    assert 0 < labels_N[:50].sum() < 50  # shuffled
    upper, lower = points_N_2[labels_N == 0], points_N_2[labels_N == 1]
    for moon, centre, side in ((upper, (0.0, 0.0), 1), (lower, (1.0, 0.5), -1)):
        offsets = moon - torch.tensor(centre)
        torch.testing.assert_close(offsets.norm(dim=1), torch.ones(len(moon)), rtol=0, atol=1e-6)  # float32 rounding
        assert (side * offsets[:, 1] >= -1e-6).all()


def test_two_moons_are_displaced_by_the_noise():
    points_N_2, labels_N = two_moons(MANY, 0.05, 1)
    centres_N_2 = torch.where(labels_N[:, None] == 0, torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.5]))
    radial_N = (points_N_2 - centres_N_2).norm(dim=1) - 1
    # far from the centre, the radius moves by the radial part of the noise, plus noise²/2 from the tangential part
    assert abs(radial_N.mean() - 0.05**2 / 2) < 0.05 * LIMIT
    assert abs(radial_N.std() / 0.05 - 1) < LIMIT
    with pytest.raises(ValueError, match="num_points: expected a whole number, at least 2, got 1"):
        two_moons(1, 0.1, 0)


FORMULAS = {
    noisy_line: (lambda x: -0.3 + 0.5 * x, 1),
    sine_with_gap: (np.sin, 4),
}


@pytest.mark.parametrize("regression", REGRESSIONS)
def test_regressions_follow_their_formulas(regression):
    mean, limit = FORMULAS[regression]
    inputs_N_1, targets_N_1 = regression(MANY, 0.2, 0)
    assert inputs_N_1.shape == targets_N_1.shape == (MANY, 1)
    assert inputs_N_1.dtype == targets_N_1.dtype == torch.float32
    x, y = inputs_N_1.double().numpy()[:, 0], targets_N_1.double().numpy()[:, 0]
    assert -limit <= x.min() < -0.999 * limit and 0.999 * limit < x.max() <= limit
    noise = (y - mean(x)) / 0.2
    assert abs(noise.mean()) < LIMIT and abs(noise.std() - 1) < LIMIT
    assert kstest(noise, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise, x)[0, 1]) < LIMIT
    inputs_N_1, targets_N_1 = regression(50, 0.0, 0)
    np.testing.assert_allclose(targets_N_1.numpy(), mean(inputs_N_1.double().numpy()), atol=2e-7)  # float32 rounding


def test_the_inputs_of_the_line_are_uniform():
    inputs_N_1, _ = noisy_line(MANY, 0.2, 1)
    assert kstest(inputs_N_1[:, 0].numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize("gap", [(0.0, 2.5), (-1.1, 0.7), (-4.0, 1.3), (1 / 3, 4.0), (0.5, 0.5)])
def test_gap_is_empty_and_the_rest_evenly_filled(gap):
    inputs_N_1, _ = sine_with_gap(MANY, 0.1, 2, gap=gap)
    start, end = np.float32(gap[0]), np.float32(gap[1])
    x = inputs_N_1[:, 0].numpy()
    assert not ((x > start) & (x < end)).any()
    assert x.min() >= -4 and x.max() <= 4
    left = (gap[0] + 4) / (8 - gap[1] + gap[0])
    assert abs((x <= start).mean() - left) <= 4 * math.sqrt(left * (1 - left) / MANY)
    together = np.where(x <= start, x, x - (gap[1] - gap[0]))
    assert kstest(together, "uniform", args=(-4, 8 - gap[1] + gap[0])).pvalue > 1e-3


@pytest.mark.parametrize("gap", [(1.0, 0.0), (-5.0, 0.0), (0.0, 4.5), (-4.0, 4.0), (math.nan, 1.0)])
def test_impossible_gaps_are_refused(gap):
    with pytest.raises(ValueError, match=r"gap: expected \(start, end\) within \[-4, 4\]"):
        sine_with_gap(10, 0.1, 0, gap=gap)


def test_toy_regressions_do_not_depend_on_the_default_precision():
    expected = sine_with_gap(5, 0.1, 0)
    torch.set_default_dtype(torch.float64)
    try:
        found = sine_with_gap(5, 0.1, 0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
