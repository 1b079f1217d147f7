"""The lake's soundings against the formulas they are drawn from."""

import math

import numpy as np
import pytest

from bal_course.lake import MOST_SOUNDINGS, sounding_noise, soundings, true_depth


def test_more_soundings_keep_the_earlier_ones_and_noise_only_stretches():
    few, many, loud = soundings(30, 0.5, 3), soundings(900, 0.5, 3), soundings(30, 1.0, 3)
    for first, second in zip(few, many, strict=True):
        np.testing.assert_array_equal(first, second[:30])
    np.testing.assert_array_equal(few[0], loud[0])
    truth = true_depth(few[0])
    np.testing.assert_allclose(2 * (few[1] - truth), loud[1] - truth, atol=1e-12)


def test_soundings_are_where_and_as_noisy_as_they_say():
    places_N, depths_N = soundings(MOST_SOUNDINGS, 0.4, 0)
    assert places_N.min() >= 0 and places_N.max() <= 8
    assert np.mean(places_N > 5) == pytest.approx(0.03, abs=4 * math.sqrt(0.03 * 0.97 / MOST_SOUNDINGS))
    standard_N = (depths_N - np.sin(places_N)) / sounding_noise(places_N, 0.4)
    assert standard_N.std() == pytest.approx(1, abs=4 / math.sqrt(2 * MOST_SOUNDINGS))
    np.testing.assert_allclose(sounding_noise([0.0, 12.0], 0.4), [0.4, 0.04], rtol=1e-5)


@pytest.mark.parametrize(("count", "noise"), [(0, 0.5), (MOST_SOUNDINGS + 1, 0.5), (2.0, 0.5), (10, 0), (10, math.inf)])
def test_impossible_soundings_are_refused(count, noise):
    with pytest.raises(ValueError, match="expected"):
        soundings(count, noise, 0)
