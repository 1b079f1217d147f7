"""Pictures of notebook 14: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import practice as pictures
from bal_utils.theory.intervals import interval


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def test_races_draw_the_mean_of_each_strategy(ax):
    values = {"one": np.array([[1.0, 2.0], [3.0, 4.0]]), "two": np.array([[0.0, 0.0], [1.0, 2.0]])}
    pictures.races(ax, np.array([10, 20]), values)
    curves = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(curves["one"].get_ydata(), [2, 3])
    np.testing.assert_allclose(curves["two"].get_ydata(), [0.5, 1])
    assert curves["one"].get_linestyle() != curves["two"].get_linestyle()
    assert [text.get_text() for text in ax.texts] == ["two", "one"]  # at their ends, from below
    assert len(ax.lines) == 4


def test_a_long_race_has_lines_without_marks(ax):
    pictures.races(ax, np.arange(3), {"one": np.ones((2, 3))}, marks=False)
    assert len(ax.lines) == 1


def test_budgets_draw_mean_leads_with_their_intervals(ax):
    leads = {25: {"Margin": np.array([1.0, 3.0])}, 100: {"Margin": np.array([4.0, 4.0])}}
    pictures.budgets(ax, leads)
    curve = next(line for line in ax.lines if line.get_label() == "Margin")
    np.testing.assert_allclose(curve.get_xydata(), [[25, 2], [100, 4]])
    first, second = ax.collections[0].get_segments()
    np.testing.assert_allclose(first[:, 1], interval([1, 3]))
    np.testing.assert_allclose(second[:, 1], [4, 4])


def test_groups_stand_apart_and_names_side_by_side(ax):
    values = {"truth": {"a": np.array([1.0, 3.0])}, "lies": {"a": np.array([0.0, 2.0]), "b": np.array([5.0, 7.0])}}
    pictures.groups(ax, values)
    marks = {line.get_label(): line.get_xydata() for line in ax.lines}
    np.testing.assert_allclose(marks["a"][:, 1], [2, 1])
    np.testing.assert_allclose(marks["b"], [[1.09, 6]])
    np.testing.assert_allclose(ax.collections[1].get_segments()[0][:, 1], interval([5, 7]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["truth", "lies"]


def test_hours_are_drawn_against_the_batch_size(ax):
    pictures.hours(ax, [1, 10], {"fast": np.array([2.0, 1.0]), "slow": np.array([20.0, 3.0])}, 0.5)
    fast, slow, alone = ax.lines
    np.testing.assert_allclose(fast.get_ydata(), [2, 1])
    np.testing.assert_allclose(slow.get_ydata(), [20, 3])
    assert alone.get_ydata()[0] == 0.5 and ax.get_xscale() == ax.get_yscale() == "log"
