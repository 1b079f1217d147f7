"""Pictures of ensembles show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from bal_course.figures import ensembles as pictures
from bal_utils.theory.intervals import interval
from bal_utils.theory.metrics import reliability_curve


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_members_and_the_band_around_their_mean(ax):
    places_G, means_G_K = np.linspace(-1, 1, 5), np.stack([np.zeros(5), np.ones(5)], axis=1)
    assert pictures.members(ax, [0.0], [0.0], places_G, means_G_K, np.full(5, 2.0)) is ax
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.5 - 2 * 1.96, 0.5 + 2 * 1.96))
    assert [line.get_ydata()[0] for line in ax.lines[:3]] == [0, 1, 0.5]
    assert ax.get_xlabel() and ax.get_ylabel()


def test_questions_and_densities(ax):
    pictures.questions(ax, {"A": -2.0, "B": 1.25})
    assert [text.get_text().strip() for text in ax.texts] == ["A", "B"]
    targets_G = np.linspace(0, 1, 4)
    pictures.densities(ax, targets_G, np.ones((4, 5)), {"sum": np.full(4, 5.0), "other": np.full(4, 4.0)})
    assert len(ax.lines) == 2 + 5 + 2
    assert ax.lines[-1].get_linestyle() != ax.lines[-2].get_linestyle()


def test_rows_have_a_mark_for_each_seed_and_the_interval(ax):
    values = {"first": np.array([0.0, 1.0, 2.0]), "second": np.array([5.0, 5.0, 5.0])}
    pictures.rows_of_seeds(ax, values, zero=True)
    assert [len(marks.get_offsets()) for marks in ax.collections] == [3, 3]
    bar = ax.lines[1]
    np.testing.assert_allclose(bar.get_xdata(), interval(values["first"]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]


def test_a_sweep_shows_means_against_the_sizes(ax):
    gain_S_M = np.array([[0.0, -1.0, -2.0], [0.0, -3.0, -4.0]])
    pictures.sweep(ax, [1, 5, 20], {"task": gain_S_M})
    line = ax.containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [1, 5, 20])
    np.testing.assert_allclose(line.get_ydata(), [0, -2, -3])
    assert ax.get_xscale() == "log" and [label.get_text() for label in ax.get_xticklabels()] == ["1", "5", "20"]


def test_reliability_draws_the_curve_of_the_metrics(ax):
    log_probs_N_C = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]).log()
    curve = reliability_curve(log_probs_N_C, torch.tensor([0, 1, 1]), num_bins=10)
    pictures.reliability(ax, {"one network": curve})
    np.testing.assert_allclose(ax.lines[1].get_xdata(), curve.confidence)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), curve.accuracy)
    diagonal, line = ax.get_legend().get_lines()
    assert diagonal.get_color() != line.get_color() == ax.lines[1].get_color()
    assert line.get_linestyle() == ax.lines[1].get_linestyle() and line.get_marker() != "None"
