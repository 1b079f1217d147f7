"""Pictures of notebook 09: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import comparison as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_bands_have_their_mean_and_hide_the_panels_left_over(ax):
    outputs_G_K = np.array([[0.0, 2.0], [1.0, 3.0], [4.0, 4.0]])
    axes = plt.figure().subplots(1, 3)
    pictures.bands(
        axes, np.arange(3), {"a": outputs_G_K, "b": outputs_G_K + 1}, (np.zeros((2, 1)), np.ones((2, 1))), (0, 1)
    )
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), [2, 3, 5])
    assert [panel.get_title(loc="left") or panel.get_title() for panel in axes[:2]] == ["a", "b"]
    assert not axes[2].axison and axes[0].get_ylabel() == "f(x)" and axes[1].get_ylabel() == ""


def test_a_table_writes_every_cell_and_colours_better_and_worse(ax):
    pictures.table(ax, ["a", "b"], ["p", "q"], [["1", "2"], ["3", "4"]], np.array([[1, -1], [0, np.nan]]))
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4"]
    (better, worse), (level, unknown) = np.asarray(ax.images[0].get_array())
    assert better[2] > better[0] and worse[0] > worse[2]  # blue, orange
    np.testing.assert_allclose([level, unknown], 1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["p", "q"]


def test_sweeps_ring_the_lowest_place_of_each(ax):
    pictures.sweeps(ax, [0, 0.1, 0.2], {"a": [3, 1, 2], "b": [1, 2, 3]})
    rings = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_label() == "_best"]
    assert rings == [(1, 1), (0, 1)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1", "0.2"]
