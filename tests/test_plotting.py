import matplotlib.pyplot as plt
import numpy as np
import pytest

from bal_utils import plotting


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_learning_curve_draws_the_median_and_the_quartiles():
    ax = plotting.learning_curve(
        plt.figure().subplots(), [20, 30], [[0.1, 0.5], [0.3, 0.6], [0.2, np.nan]], name="BALD"
    )
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.55])
    corners = ax.collections[0].get_paths()[0].vertices
    assert {0.15, 0.25} <= set(np.round(corners[:, 1], 6)) and ax.get_xlabel() == "labelled images"


def test_the_band_can_hold_every_run():
    ax = plotting.learning_curve(plt.figure().subplots(), [20], [[0.1], [0.9], [0.2]], name="BALD", whole_range=True)
    corners = ax.collections[0].get_paths()[0].vertices
    assert {0.1, 0.9} <= set(np.round(corners[:, 1], 6)) and ax.lines[0].get_ydata() == [0.2]


def test_classes_differ_by_marker_and_colour():
    ax = plotting.class_points(plt.figure().subplots(), np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    first, second = ax.collections
    assert first.get_facecolor().tolist() != second.get_facecolor().tolist()
    assert first.get_paths()[0].vertices.shape != second.get_paths()[0].vertices.shape


def test_image_rows_need_a_title_each():
    axes = plt.figure().subplots(1, 2)
    plotting.image_row(axes, np.zeros((2, 4, 4)), ["one", "two"])
    assert [ax.get_title(loc="center") for ax in axes] == ["one", "two"]
    with pytest.raises(ValueError):
        plotting.image_row(axes, np.zeros((2, 4, 4)), ["one"])


def test_show_keeps_the_text_with_the_picture(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    plotting.show(plt.figure(), "A straight line that rises from left to right.")
    ((data, options),) = shown
    assert data["image/png"].startswith(b"\x89PNG")
    assert (
        options["metadata"]["image/png"]["alt"]
        == data["text/plain"]
        == "A straight line that rises from left to right."
    )
    assert not plt.get_fignums()


def test_show_refuses_a_text_that_says_nothing():
    with pytest.raises(ValueError, match="alt: expected a sentence"):
        plotting.show(plt.figure(), "a plot")


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in plt.matplotlib.colors.to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_curves_and_markers_stand_out_from_white():
    """Colours of the first two classes reach 3:1 against white, as WCAG 2.1 (1.4.11) asks of graphics."""
    for colour in plotting.CLASS_COLOURS[:2]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3
