"""Intervals against a t test, quartiles against sorting."""

import numpy as np
import pytest
from scipy import stats

from bal_utils.theory.intervals import has_interval, interval, quartiles


def test_interval_is_that_of_a_t_test():
    values_S = np.array([0.1, 0.4, -0.2, 0.3])
    expected = stats.ttest_1samp(values_S, 0).confidence_interval(0.95)
    np.testing.assert_allclose(interval(values_S), (expected.low, expected.high))
    assert interval(np.full(3, 0.5)) == (0.5, 0.5)


@pytest.mark.parametrize("values_S", [[0.5], [], [0.5, np.nan], [0.5, np.inf]])
def test_one_run_has_no_interval(values_S):
    with pytest.raises(ValueError, match="^values_S: "):
        interval(np.array(values_S))
    assert not has_interval(np.array([0.5])) and has_interval(np.array([0.5, 0.5]))


def test_quartiles_are_among_the_values():
    six = [260.0, 40, np.inf, 50, 130, 60]
    ordered = sorted(six)
    assert quartiles(six) == (ordered[1], ordered[2], ordered[4])  # places 1.25, 2.5 (rounds to even) and 3.75 of 0..5
    assert quartiles([7.0]) == (7, 7, 7)


def test_quartiles_refuse_what_has_no_order():
    for values in ([], [1.0, np.nan]):
        with pytest.raises(ValueError, match="values_S: expected at least one number and no NaN"):
            quartiles(values)
