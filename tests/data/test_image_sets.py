"""Fewer images, and images repeated with noise, on scikit-learn's digits."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from bal_utils.data import load_images, standardise
from bal_utils.data.images import ImageSet, fewer_images, repeated_images


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


def test_fewer_images_are_different_training_images_with_their_labels(digits):
    numbered = torch.arange(len(digits.train_labels)).view(-1, 1, 1, 1).expand_as(digits.train_images)
    fewer = fewer_images(replace(digits, train_images=numbered), 300, seed=1)
    kept = fewer.train_images[:, 0, 0, 0]
    assert len(kept.unique()) == 300
    assert torch.equal(fewer.train_labels, digits.train_labels[kept])
    assert torch.equal(fewer.test_labels, digits.test_labels)
    assert fewer.name == "scikit-learn digits, 300 images"
    assert not torch.equal(fewer_images(digits, 300, seed=2).train_labels, fewer.train_labels)


@pytest.mark.parametrize("size", [0, -3, 2.5, True, 10**6])
def test_fewer_images_refuse_a_size_that_cannot_be(digits, size):
    with pytest.raises(
        ValueError, match=f"size: expected a whole number, from 1 to {len(digits.train_labels)}, got {size}"
    ):
        fewer_images(digits, size, seed=0)


def test_an_image_set_repeats_the_images_it_keeps():
    data = ImageSet(name="digits", images=200, copies=3).load(seed=4)
    assert len(data.train_labels) == 600
    assert torch.equal(data.train_labels[:200], data.train_labels[200:400])
    assert len(ImageSet(name="digits").load(seed=4).train_labels) == len(load_images("digits").train_labels)


def test_repeated_images_add_fixed_noise_to_each_copy(digits):
    before = digits.train_images.clone()
    repeated = repeated_images(digits, 3, noise=0.1, seed=5)
    assert repeated.name == "scikit-learn digits x3, noise 0.1"
    size = len(digits.train_labels)
    clean = (before.double() / 255 - 0.1307) / 0.3081
    noise = repeated.train_images.reshape(3, size, 1, 8, 8) - clean
    for number, copy in enumerate(noise):
        assert torch.equal(repeated.train_labels[number * size : (number + 1) * size], digits.train_labels)
        # 92,000 normal numbers: four standard errors are 1.3 % of a mean's deviation and 0.9 % of a deviation
        assert abs(copy.mean()) < 0.1 * 4 / math.sqrt(copy.numel())
        assert abs(copy.std() / 0.1 - 1) < 4 / math.sqrt(2 * copy.numel())
        assert kstest(copy.flatten().numpy() / 0.1, "norm").pvalue > 1e-3
    correlation = torch.corrcoef(noise.flatten(1)) - torch.eye(3)
    assert correlation.abs().max() < 4 / math.sqrt(noise[0].numel())
    assert torch.equal(repeated.test_images, standardise(digits.test_images))
    assert torch.equal(repeated.test_labels, digits.test_labels)
    assert torch.equal(digits.train_images, before)


def test_sizes_may_come_from_arrays(digits):
    size, copies = np.array([7, 2])
    fewer = fewer_images(digits, size, seed=0)
    assert torch.equal(fewer.train_images, fewer_images(digits, 7, seed=0).train_images)
    assert fewer.name == "scikit-learn digits, 7 images"
    assert torch.equal(
        repeated_images(fewer, copies, seed=0).train_images, repeated_images(fewer, 2, seed=0).train_images
    )


def test_repeated_images_depend_on_the_seed_alone(digits):
    first, again, other = (repeated_images(digits, 2, seed=seed).train_images for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    longer = repeated_images(digits, 3, seed=1).train_images
    assert torch.equal(longer[: len(first)], first)


def test_repeated_images_without_noise_are_copies(digits):
    repeated = repeated_images(replace(digits, is_stand_in=True), 2, noise=0, seed=0)
    assert torch.equal(repeated.train_images, standardise(digits.train_images).repeat(2, 1, 1, 1))
    assert repeated.is_stand_in


@pytest.mark.parametrize("copies", [0, -1, 1.5, True])
def test_repeated_images_refuse_a_wrong_number_of_copies(digits, copies):
    with pytest.raises(ValueError, match=f"copies: expected a whole number, at least 1, got {copies}"):
        repeated_images(digits, copies, seed=0)
