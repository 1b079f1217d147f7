"""Checks of arguments: what they take, what they give back, and that they name the argument."""

import numpy as np
import pytest
import torch

from bal_utils.checks import check_finite, check_floats, check_labels, check_number, check_whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_numpy_are_whole_numbers(value):
    came = check_whole("size", value, at_least=1, at_most=3)
    assert came == 3 and type(came) is int


def test_whole_numbers_may_be_of_any_size():
    assert check_whole("seed", np.int64(-3)) == -3
    with pytest.raises(ValueError, match="^seed: "):
        check_whole("seed", 1.5)


@pytest.mark.parametrize("value", [0, 4, -1, True, 2.0, "2", None, float("nan"), np.float64(2), np.bool_(True)])
def test_what_is_no_whole_number_of_the_range_is_refused_by_name(value):
    with pytest.raises(ValueError, match="^size: "):
        check_whole("size", value, at_least=1, at_most=3)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int32(1)])
def test_numbers_come_back_as_floats(value):
    came = check_number("noise", value, above=0, at_most=1)
    assert came == value and type(came) is float


@pytest.mark.parametrize("value", [0, 1.5, -1, True, "0.5", None, float("nan"), float("inf"), 1j, 10**400])
def test_what_is_no_number_within_the_bounds_is_refused_by_name(value):
    with pytest.raises(ValueError, match="^noise: "):
        check_number("noise", value, above=0, at_most=1)


def test_a_bound_that_is_left_out_lets_pass_and_one_that_excludes_itself_does():
    assert check_number("x", -1e300) == -1e300
    assert check_number("p", 0, at_least=0, below=1) == 0
    with pytest.raises(ValueError, match="^p: "):
        check_number("p", 1, at_least=0, below=1)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool])
def test_labels_of_any_whole_type_come_back_in_one_that_does_not_wrap(dtype):
    labels = check_labels("labels_N", torch.tensor([0, 1, 1], dtype=dtype), num_inputs=3, num_classes=2)
    assert labels.dtype == torch.int64 and (3 * labels - 1).tolist() == [-1, 2, 2]


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (torch.tensor([0.0, 1.0]), TypeError),
        (np.array([0, 1]), TypeError),
        ([0, 1], TypeError),
        (torch.tensor([0, 1, 1]), ValueError),
        (torch.tensor([[0], [1]]), ValueError),
        (torch.tensor([0, 2]), ValueError),
        (torch.tensor([-1, 0], dtype=torch.int8), ValueError),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_name(labels, error):
    with pytest.raises(error, match="^labels_N: "):
        check_labels("labels_N", labels, num_inputs=2, num_classes=2)


def test_tensors_of_numbers_say_what_came():
    check_finite("scores_N", torch.zeros(3), dims=1)
    check_floats("scores_N", torch.full((3,), float("nan")))
    for bad, came in ((np.zeros(3), "ndarray"), ([0.0], "list"), (torch.zeros(3).half(), "float16"), (None, "NoneType"),
                      (torch.zeros(3).long(), "int64"), (torch.zeros(3).to_sparse(), "sparse")):  # fmt: skip
        with pytest.raises(TypeError, match=f"^scores_N: .*{came}"):
            check_floats("scores_N", bad)
    with pytest.raises(ValueError, match=r"^scores_N: .*1 dimension, got shape \(3, 1\)"):
        check_floats("scores_N", torch.zeros(3, 1), dims=1)
    with pytest.raises(ValueError, match="^scores_N: "):
        check_finite("scores_N", torch.tensor([0.0, float("inf")]))
