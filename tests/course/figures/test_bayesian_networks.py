"""Pictures of notebook 08 hold what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import bayesian_networks as pictures

PLACES_G = np.linspace(-2, 2, 21)
OUTPUTS_G_K = np.stack([PLACES_G + shift for shift in np.linspace(-1, 1, 40)], axis=1)


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_a_bundle_shows_a_dozen_functions(ax):
    pictures.bundle(ax, PLACES_G, OUTPUTS_G_K)
    assert len(ax.lines) == pictures.SHOWN and ax.get_xlim() == (-2, 2)
    np.testing.assert_allclose(ax.lines[3].get_ydata(), OUTPUTS_G_K[:, 3])


def test_the_band_is_two_standard_deviations_about_the_mean(ax):
    pictures.gap(pictures.band(ax, PLACES_G, OUTPUTS_G_K, np.zeros((3, 1)), np.ones((3, 1))), (0, 1))
    edges = ax.collections[0].get_paths()[0].vertices
    half = 2 * np.linspace(-1, 1, 40).std()
    assert edges[:, 1].max() == pytest.approx(2 + half) and edges[:, 1].min() == pytest.approx(-2 - half)
    assert {"mean", "draws", "data", "±2 sd"} == set(ax.get_legend_handles_labels()[1])


def test_the_reference_of_the_spreads_is_the_thick_line(ax):
    pictures.spreads(ax, PLACES_G, {"gold": PLACES_G**2, "other": PLACES_G**4}, reference="gold")
    gold, other = ax.lines
    assert gold.get_linewidth() > other.get_linewidth() and ax.get_ylim()[0] == 0


def test_units_are_turned_until_their_slope_is_positive():
    axes = plt.figure().subplots(1, 2)
    weights_1_7 = np.array([[2.0, -3.0, 0.0, 0.0, 0.5, 0.7, 9.0]])  # u, c, v of two units, b
    pictures.units(axes, {"NUTS": weights_1_7, "Bayes by Backprop": -weights_1_7}, 2)
    for ax in axes:
        np.testing.assert_allclose(ax.collections[0].get_offsets(), [[2, 0.5], [3, -0.7]])
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["NUTS", "Bayes by Backprop"]
    plt.close("all")


def test_formula_and_networks_share_a_colour(ax):
    pictures.covariances(ax, PLACES_G, {"a": PLACES_G, "b": -PLACES_G}, {"a": PLACES_G, "b": -PLACES_G})
    for line, marks in zip(ax.lines, ax.collections, strict=True):
        np.testing.assert_allclose(plt.matplotlib.colors.to_rgba(line.get_color()), marks.get_facecolor()[0])
        np.testing.assert_allclose(marks.get_offsets()[:, 1], line.get_ydata()[::5])


def test_histograms_stand_against_the_density(ax):
    pictures.values_at_a_place(ax, {"one": np.zeros(10), "two": np.ones(10)}, PLACES_G, np.exp(-(PLACES_G**2)))
    assert set(ax.get_legend_handles_labels()[1]) == {"one", "two", "normal"}
    (normal,) = ax.lines
    np.testing.assert_allclose(normal.get_ydata(), np.exp(-(PLACES_G**2)))


def test_a_chain_is_a_colour_and_a_marker(ax):
    pictures.traces(ax, {"first": np.arange(4), "second": -np.arange(4)})
    first, second = ax.lines
    assert first.get_color() != second.get_color() and first.get_marker() != second.get_marker()


def test_each_method_has_its_map():
    axes = plt.figure().subplots(1, 2)
    axis = np.linspace(-1, 1, 5)
    probs_R_C = np.tile(np.linspace(0, 1, 5), (5, 1))
    pictures.class_maps(axes, axis, axis, {"a": probs_R_C, "b": probs_R_C.T}, np.zeros((2, 2)), np.array([0, 1]))
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["a", "b"]
    plt.close("all")
