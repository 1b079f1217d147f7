"""The pictures of regression show what they say: bands as wide as the variances, ellipses where they belong."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

from bal_course.figures import regression
from bal_utils.theory.linear_regression import Belief

PLACES = np.linspace(-1, 1, 5)


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_the_outer_band_adds_variances(ax):
    regression.band(ax, PLACES, np.zeros(5), np.full(5, 9.0), noise_variance=16.0)
    highest = sorted(line.get_ydata().max() for line in ax.lines)
    assert highest[-2:] == [2 * 3.0, 2 * 5.0]  # 3, 4, 5: a sum of standard deviations would give 14
    edges = [collection.get_paths()[0].vertices[:, 1].max() for collection in ax.collections]
    assert edges == pytest.approx([10.0, 6.0])


def test_the_white_line_of_a_weight_map_lies_two_deviations_out(ax):
    mean, covariance = np.array([0.2, -0.1]), np.array([[0.09, 0.03], [0.03, 0.04]])
    first, second = np.linspace(-1.5, 1.5, 401), np.linspace(-1.2, 1.2, 301)
    log_density = multivariate_normal(mean, covariance).logpdf(np.stack(np.meshgrid(first, second), axis=-1))
    regression.weight_map(ax, first, second, log_density, {"mean": tuple(mean)})
    white = next(c for c in ax.collections if len(c.get_edgecolor()) == 1 and c.get_linewidth()[0] == 1.5)
    offsets = white.get_paths()[0].vertices - mean
    distances = np.sqrt(np.einsum("nd,de,ne->n", offsets, np.linalg.inv(covariance), offsets))
    np.testing.assert_allclose(distances, 2, atol=0.01)  # the contour is interpolated on a grid
    assert chi2(2).cdf(4) == pytest.approx(1 - np.exp(-2))  # and so holds 86 % of the mass
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mean"]


def test_the_white_line_lies_at_the_level_that_is_asked_for(ax):
    first = second = np.linspace(-3, 3, 301)
    log_density = -0.5 * (first**2 + second[:, None] ** 2)
    regression.weight_map(ax, first, second, log_density, {}, level=np.log(0.6), legend=False)
    white = next(c for c in ax.collections if len(c.get_edgecolor()) == 1 and c.get_linewidth()[0] == 1.5)
    radii = np.linalg.norm(white.get_paths()[0].vertices, axis=1)
    np.testing.assert_allclose(np.exp(-0.5 * radii**2), 0.6, atol=0.002)


def test_rows_of_learning_show_the_newest_datum_each_belief_and_its_lines():
    axes = plt.figure(figsize=(9, 6), layout="constrained").subplots(2, 3)
    belief = Belief(mean_D=np.zeros(2), covariance_D_D=np.eye(2))
    lines = np.ones((6, 5))
    rows = {"before": (belief, [], [], lines), "after": (belief, [0.1], [0.2], lines)}
    regression.learning_steps(axes, PLACES, rows, truth=(0.5, -0.5), noise_std=0.2)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in axes.ravel()]
    assert titles == ["", "belief before", "lines before", "trial 1 by itself", "belief after", "lines after"]
    assert not axes[0, 0].axison and axes[1, 0].axison
    assert len(axes[1, 2].lines) == 6 and len(axes[1, 2].collections[-1].get_offsets()) == 1
    white = next(c for c in axes[1, 0].collections if len(c.get_edgecolor()) == 1 and c.get_linewidth()[0] == 1.5)
    for path in white.get_paths():  # two deviations of the noise from the line through the dot
        misses = 0.2 - path.vertices @ [1, 0.1]
        np.testing.assert_allclose(abs(misses[abs(path.vertices).max(axis=1) < 1.4]), 0.4, atol=0.01)
    plt.close("all")


def test_curves_that_differ_in_colour_differ_in_dash(ax):
    regression.named_curves(ax, PLACES, {"a": PLACES, "b": -PLACES, "c": 0 * PLACES})
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 3
    assert len({line.get_linestyle() for line in ax.lines}) > 1


def test_contraction_is_straight_on_logarithmic_axes(ax):
    counts = np.array([1, 10, 100])
    regression.contraction(ax, counts, np.ones((2, 3)), counts**-0.5)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log") and len(ax.lines) == 3
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), counts**-0.5)


def test_the_ring_is_around_the_best_size(ax):
    regression.against_size(ax, np.arange(1, 7), np.array([1.0, 4.0, 2.0, 0.0, 1.0, 1.0]), best=2, higher=True)
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[2, 4.0]])
    with pytest.raises(ValueError):
        regression.against_size(ax, np.arange(3), np.zeros(3), best=9, higher=True)


def test_coverage_names_its_axis_and_marks_the_data(ax):
    regression.coverage(ax, PLACES, {"MLE": np.full(5, 0.4)}, promised=0.95, inputs_N=np.array([0.0, 0.5]))
    assert ax.get_ylabel() == "share of new measurements inside"
    assert any((np.asarray(line.get_ydata()) == 0.95).all() for line in ax.lines)
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), [0.0, 0.5])


def test_clouds_basis_observations_and_curves_draw_all_they_get(ax):
    regression.clouds(ax, {"exact": np.zeros((7, 2)), "NUTS": np.ones((3, 2))})
    assert [len(collection.get_offsets()) for collection in ax.collections] == [7, 3]
    before = len(ax.lines)
    regression.basis(ax, PLACES, np.ones((5, 4)))
    regression.drawn_curves(ax, PLACES, np.ones(5))
    regression.observations(ax, PLACES, PLACES)
    assert len(ax.lines) - before == 5 and len(ax.collections[-1].get_offsets()) == 5
