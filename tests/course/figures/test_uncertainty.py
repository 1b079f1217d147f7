"""Pictures of doubt hold what they were given."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import uncertainty as pictures


@pytest.fixture
def ax():
    yield plt.figure(figsize=(7, 4)).subplots()
    plt.close("all")


def test_discs_of_one_row_do_not_cover_each_other(ax):
    scores = {"entropy": np.array([0.80, 0.81, 0.82, 0.95, 0.955]), "distance": np.array([0.7, 0.9, 1.0])}
    pictures.detectors(ax, scores)
    places = ax.collections[0].get_offsets()
    for first, second in combinations(places, 2):
        assert abs(first[1] - second[1]) > 0.2 or abs(first[0] - second[0]) >= pictures.DISC * 0.3
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2", "3", "4", "0", "1", "2"]
    np.testing.assert_allclose(places[:, 0], scores["entropy"])


def test_one_level_lies_in_the_middle():
    np.testing.assert_allclose(pictures.stacked_apart(np.array([0.1, 0.9, 0.5]), 0.2), 0)
    np.testing.assert_allclose(pictures.stacked_apart(np.array([0.15, 0.1, 0.12]), 0.2), [0.33, -0.33, 0])


def test_losses_have_a_dot_where_they_are_least(ax):
    pictures.loss_curves(
        ax, np.array([0.0, 1.0, 2.0]), {"inside": np.array([2.0, 1.0, 3.0]), "at an end": np.arange(3)}
    )
    (dot,) = ax.collections
    np.testing.assert_allclose(dot.get_offsets(), [[1, 1]])
