"""What the figures of notebook 11 draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_course.figures import two_moons

PLANE = {"x": (-2.0, 2.0), "y": (0.0, 3.0)}
SLOPE_R_C = np.tile(np.linspace(0, 1, 5), (4, 1))  # grows to the right


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def boundary_of(ax):
    """The places of the thick line."""
    (lines,) = (found for found in ax.collections if hasattr(found, "levels"))
    return lines.get_paths()[list(lines.levels).index(0.5)].vertices


def test_a_map_lies_where_its_values_belong(ax):
    two_moons.score_map(ax, SLOPE_R_C, SLOPE_R_C, PLANE)
    (drawn,) = ax.images
    assert drawn.get_extent() == [-2.0, 2.0, 0.0, 3.0] and drawn.origin == "lower"
    np.testing.assert_allclose(drawn.get_array(), SLOPE_R_C)
    assert ax.get_xlabel() and ax.get_ylabel()


def test_the_thick_line_is_where_the_probability_is_one_half(ax):
    two_moons.score_map(ax, np.zeros((4, 5)), SLOPE_R_C, PLANE)
    np.testing.assert_allclose(boundary_of(ax)[:, 0], 0.0, atol=1e-9)
    (lines,) = (found for found in ax.collections if hasattr(found, "levels"))
    widths = lines.get_linewidths()
    assert widths[1] > 2 * widths[0] and widths[0] == widths[2]


def test_a_map_without_a_boundary_has_no_lines(ax):
    two_moons.score_map(ax, SLOPE_R_C, np.full((4, 5), 0.99), PLANE)
    assert not any(hasattr(found, "levels") for found in ax.collections)


def test_centres_are_the_middles_of_equal_cells():
    np.testing.assert_allclose(two_moons.centres(0, 1, 4), [0.125, 0.375, 0.625, 0.875])


def test_labelled_points_differ_by_marker_and_lie_above_the_pool(ax):
    two_moons.moons(ax, np.zeros((3, 2)), np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([0, 1]))
    pool, first, second = ax.collections
    assert min(first.get_zorder(), second.get_zorder()) > pool.get_zorder()
    assert len(first.get_paths()[0].vertices) != len(second.get_paths()[0].vertices)
    np.testing.assert_allclose(second.get_offsets(), [[1.0, 1.0]])


def test_rings_are_numbered_in_the_order_of_asking(ax):
    two_moons.asked(ax, np.array([[0.1, 0.2], [0.8, 0.9]]), numbered=True)
    assert [(text.get_text(), tuple(text.xy)) for text in ax.texts] == [("1", (0.1, 0.2)), ("2", (0.8, 0.9))]
    assert all(ring.get_facecolor().size == 0 for ring in ax.collections)


def test_places_carry_their_first_letter(ax):
    two_moons.lettered(ax, {"G, gap": (0.5, 0.25)})
    assert ax.texts[0].get_text() == "G" and ax.texts[0].get_position() == (0.5, 0.25)


def test_the_three_terms_share_one_scale_in_nats():
    axes = plt.figure().subplots(1, 3)
    two_moons.three_terms(axes, np.stack([SLOPE_R_C * 0.6, SLOPE_R_C * 0.2, SLOPE_R_C * 0.4, SLOPE_R_C]), PLANE)
    assert {ax.images[0].get_clim() for ax in axes} == {(0.0, float(np.log(2)))}
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == [
        "All doubt",
        "− noise",
        "= what a label teaches",
    ]
    plt.close("all")


def test_boundaries_are_solid_for_the_networks_and_dashed_for_the_truth(ax):
    places, labels = np.array([[0.0, 1.0], [1.0, 1.0], [1.5, 2.0]]), np.array([0, 1, 1])
    two_moons.boundary(ax, SLOPE_R_C, SLOPE_R_C.clip(0.2, 0.9), PLANE, np.zeros((3, 2)), places, labels, [0, 1, 2])
    truth, mine = (found for found in ax.collections if hasattr(found, "levels"))
    assert truth.get_linestyles()[0][1] is not None and mine.get_linestyles()[0][1] is None
    assert [(text.get_text(), tuple(text.xy)) for text in ax.texts] == [("1", (1.0, 1.0)), ("2", (1.5, 2.0))]


def test_networks_of_one_opinion_have_no_boundary(ax):
    two_moons.boundary(
        ax, np.full((4, 5), 0.9), SLOPE_R_C, PLANE, *[np.zeros((3, 2))] * 2, np.array([0, 1, 1]), [0, 0, 0]
    )
    assert sum(hasattr(found, "levels") for found in ax.collections) == 1


def test_marks_are_measured_and_lines_expected(ax):
    two_moons.falling(ax, [1, 10], {"a": np.array([1.1, 0.09])}, {"a": np.array([1.0, 0.1])})
    line, marks = ax.lines
    np.testing.assert_allclose(line.get_ydata(), [1.0, 0.1])
    np.testing.assert_allclose(marks.get_ydata(), [1.1, 0.09])
    assert marks.get_linestyle() == "None" and line.get_color() == marks.get_color()
    assert ax.get_xscale() == ax.get_yscale() == "log"
