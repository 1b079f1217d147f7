"""Checks of arguments: what they take, what they give back, and that they name the argument."""

import numpy as np
import pytest

from bal_utils.checks import check_number, check_whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_numpy_are_whole_numbers(value):
    came = check_whole("size", value, at_least=1, at_most=3)
    assert came == 3 and type(came) is int


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
