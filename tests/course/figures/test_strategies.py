"""Pictures of notebook 10: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy import stats

from bal_course.figures import strategies as pictures


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def rings(ax):
    return [dots for dots in ax.collections if len(dots.get_offsets()) == 1 and dots.get_linewidths()[0] == 3]


@pytest.mark.parametrize(("column", "best"), [(0, "A"), (2, "C")])
def test_the_triangle_rings_the_mark_of_highest_score(ax, column, best):
    marks = {"A": [0.8, 0.1, 0.1], "B": [0.2, 0.6, 0.2], "C": [0.0, 0.0, 1.0]}
    pictures.simplex(ax, lambda probs: probs[:, column], marks, ["one", "two", "three"])
    (ring,) = rings(ax)
    np.testing.assert_allclose(ring.get_offsets()[0], np.array(marks[best]) @ pictures.CORNERS_3_2)
    assert [text.get_text() for text in ax.texts] == ["A", "B", "C", "one", "two", "three"]


def test_the_grid_holds_every_prediction_once():
    probs_G_3 = pictures.simplex_grid(steps=4)
    assert len(probs_G_3) == 15 == len(np.unique(probs_G_3, axis=0))
    np.testing.assert_allclose(probs_G_3.sum(axis=1), 1)
    assert probs_G_3.min() == 0 and probs_G_3.max() == 1


def test_curves_differ_by_colour_and_dash(ax):
    pictures.lines_by_name(ax, [1, 2], {"one": np.array([1.0, 2.0]), "two": np.array([3.0, 4.0])})
    one, two = ax.lines
    np.testing.assert_allclose(two.get_ydata(), [3, 4])
    assert one.get_color() != two.get_color() and one.get_linestyle() != two.get_linestyle()


def test_covering_draws_a_disc_around_every_centre_and_numbers_the_choice(ax):
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    pictures.covering(ax, points, torch.tensor([[5.0, 5.0]]), [2, 0], 0.7)
    centres = {tuple(patch.center) for patch in ax.patches if isinstance(patch, Circle)}
    assert centres == {(5.0, 5.0), (0.0, 2.0), (0.0, 0.0)}
    assert {patch.radius for patch in ax.patches} == {0.7}
    assert [(text.get_text(), text.get_position()) for text in ax.texts] == [("1", (0.0, 2.0)), ("2", (0.0, 0.0))]


def test_a_batch_of_none_is_drawn_too(ax):
    pictures.covering(ax, torch.zeros(3, 2), torch.ones(1, 2), [], 1.5)
    assert {tuple(patch.center) for patch in ax.patches} == {(1.0, 1.0)} and not ax.texts


def test_bands_are_intervals_of_the_mean(ax):
    value_S_R = np.array([[1.0, 2.0], [2.0, 2.5], [6.0, 3.0]])
    pictures.mean_with_interval(ax, np.array([20, 30]), value_S_R, name="ours", colour="#000000")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [3, 2.5])
    band = ax.collections[0].get_paths()[0].vertices
    half = stats.t.ppf(0.975, 2) * value_S_R[:, 0].std(ddof=1) / np.sqrt(3)
    at_20 = band[band[:, 0] == 20, 1]
    np.testing.assert_allclose([at_20.min(), at_20.max()], [3 - half, 3 + half])


def test_shares_are_bars_with_intervals_and_a_reference(ax):
    share_S = {"ours": np.array([0.2, 0.4, 0.6]), "theirs": np.array([0.9, 0.9, 0.9])}
    pictures.shares(ax, share_S, reference=0.3, note="in the pool")
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.4, 0.9])
    (segment,) = ax.containers[1].lines[2][0].get_segments()
    half = stats.t.ppf(0.975, 2) * 0.2 / np.sqrt(3)
    np.testing.assert_allclose(segment[:, 0], [0.4 - half, 0.4 + half])
    assert [text.get_text() for text in ax.texts] == ["in the pool"]


def test_runs_are_drawn_with_their_middle_nine_in_ten_and_mean(ax):
    pictures.spread_of_runs(ax, {"plain": np.arange(101.0), "weighted": np.full(3, 7.0)}, truth=6.0)
    truth, ends, mean, _, same = ax.lines
    np.testing.assert_allclose(truth.get_xdata(), 6)
    np.testing.assert_allclose(ends.get_xdata(), [5, 95])
    assert mean.get_xdata() == 50 and same.get_xdata() == 7
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["plain", "weighted"]


def test_one_seed_has_no_interval_in_any_picture():
    """A band of no width, or caps in one place, would say that other seeds gave the same."""
    from bal_course.figures import ensembles, mc_dropout

    one, few = np.array([0.4]), np.array([0.4, 0.6])
    drawn = {
        "mean": (lambda ax, v: pictures.mean_with_interval(ax, np.arange(3), np.tile(v[:, None], 3) + np.arange(3), name="a",
                                                           colour="#000000"), lambda ax: len(ax.collections)),
        "shares": (lambda ax, v: pictures.shares(ax, {"BALD": v}, reference=0.5, note="pool"), errors),
        "rows": (lambda ax, v: ensembles.rows_of_seeds(ax, {"a": v}), plain_lines),
        "sweep": (lambda ax, v: ensembles.sweep(ax, [1, 2], {"a": np.stack([v, v], axis=1)}), errors),
        "paired": (lambda ax, v: mc_dropout.paired(ax, {"a": v}), errors),
    }  # fmt: skip
    for name, (draw, intervals) in drawn.items():
        counts = []
        for values in (one, few):
            figure = Figure()
            draw(figure.subplots(), values)
            counts.append(intervals(figure.axes[0]))
        assert counts == [0, 1], name


def plain_lines(ax):
    """How many lines are drawn without a marker."""
    return sum(line.get_marker() == "None" for line in ax.lines)


def errors(ax):
    """How many error bars are drawn."""
    return sum(box.has_xerr or box.has_yerr for box in ax.containers if isinstance(box, ErrorbarContainer))
