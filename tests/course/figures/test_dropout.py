"""What the figures of notebook 05 draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import dropout


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_matrices_share_one_scale_with_zero_in_the_middle():
    axes = plt.figure().subplots(1, 2)
    dropout.matrices(axes, [np.array([[1.0, -3.0]]), np.zeros((1, 2))], ["M", "draw 1"])
    assert {panel.images[0].get_clim() for panel in axes} == {(-3.0, 3.0)}
    assert [panel.get_title(loc="center") for panel in axes] == ["M", "draw 1"]
    plt.close("all")


def test_estimates_beyond_the_span_pile_up_at_its_edge_and_a_line_stands_at_the_truth(ax):
    dropout.estimates(ax, {"few": np.array([0.0, 1.0, 99.0]), "many": np.zeros(3)}, 0.0, span=2.0)
    assert max(patch.get_xy()[:, 0].max() for patch in ax.patches) == 2.0
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 0.0)
    assert {words.get_text() for words in ax.get_legend().get_texts()} == {"few", "many"}


def test_paths_have_one_look_a_program_and_a_band_around_zero(ax):
    dropout.paths(ax, [np.ones((4, 2)), np.zeros((4, 2))], ["a", "b"], wall=0.5)
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines if len(line.get_xdata()) == 4}
    assert len(looks) == 2 and [words.get_text() for words in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.patches[0].get_extents().height > 0 and ax.patches[0].get_xy()[1] == -0.5


def test_fading_gap_has_a_tick_a_dimension_and_may_be_measured_for_the_first_few_only(ax):
    dims_M = np.array([1, 2, 4])
    dropout.fading_gap(ax, dims_M, {"a": dims_M / 10}, {"a": [(0.1, 0.01)]}, ceiling=0.5)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "4"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.1, 0.2, 0.4])


def test_the_band_is_two_standard_deviations_wide(ax):
    line_G = np.linspace(0, 1, 4)
    dropout.function_draws(ax, line_G, np.zeros((4, 3)), line_G, np.full(4, 0.5))
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(-1.0) and band[:, 1].max() == pytest.approx(2.0)
    assert len(ax.lines) == 4


def test_each_bound_is_marked_at_its_best(ax):
    stds_G = np.array([0.01, 0.1, 1.0])
    dropout.bound_over_std(ax, stds_G, {"a": np.array([-9.0, -2.0, -3.0]), "b": np.array([-8.0, -4.0, -1.0])}, 0.0)
    assert [line.get_xdata()[0] for line in ax.lines[1:4:2]] == [0.1, 1.0]
    assert ax.get_xscale() == "log"
