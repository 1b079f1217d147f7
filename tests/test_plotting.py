import io
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from bal_course import comparison
from bal_course.figures import (
    batches,
    bayesian_networks,
    classification,
    ensembles,
    mc_dropout,
    practice,
    regression,
    replication,
    strategies,
)
from bal_course.figures import comparison as comparison_figures
from bal_utils import active_learning, plotting
from bal_utils.acquisition import ACQUISITIONS


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


def test_a_curve_looks_like_its_strategy_unless_it_is_given_a_look():
    ax = plt.figure().subplots()
    plotting.learning_curve(ax, [20, 30], [[0.1, 0.5]], name="Margin (4 seeds)")
    plotting.learning_curve(ax, [20, 30], [[0.2, 0.6]], name="without weight decay")
    plotting.learning_curve(ax, [20, 30], [[0.3, 0.7]], name="as in print", look=plotting.look_of("random"))
    margin, other, given = ax.lines
    assert (to_hex(margin.get_color()), margin.get_marker()) == (plotting.COLOURS["margin"].lower(), "s")
    assert other.get_color() == plotting.CLASS_COLOURS[0] and given.get_color() == plotting.COLOURS["random"]


# The registry


@pytest.mark.parametrize("key", ACQUISITIONS)
def test_a_strategy_has_a_look_and_is_called_as_everywhere(key):
    assert plotting.key_of(key) == plotting.key_of(plotting.name_of(key)) == key
    assert plotting.name_of(key) == ACQUISITIONS[key].title


@pytest.mark.parametrize("name", [*comparison.METHODS, *active_learning.POSTERIORS])
def test_a_posterior_has_a_look(name):
    assert plotting.key_of(name) in plotting.POSTERIORS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("BALD", "bald"),
        ("max_entropy", "entropy"),
        ("Maximum entropy", "entropy"),
        ("BatchBALD, b 10", "batchbald"),
        ("Margin (4 seeds)", "margin"),
        ("dropout, T = 20", "mc_dropout"),
        ("BatchBALD's five", "batchbald"),
        ("margin = entropy", "margin"),
        ("Laplace, last layer", "laplace_last"),
        ("best line (MAP)", "map"),
        ("5 networks", None),
    ],
)
def test_a_name_is_known_by_what_it_begins_with(name, key):
    assert plotting.key_of(name) == key


def test_an_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match=r"name: expected one of random, .*, got 'blad'"):
        plotting.style_of("blad")


def test_style_is_what_plot_takes():
    (line,) = plt.figure().subplots().plot([0, 1], [0, 1], **plotting.style_of("random"))
    assert (line.get_color(), line.get_linestyle(), line.get_marker()) == (plotting.PALETTE["grey"], "--", "o")


def test_looks_of_series_are_their_own_and_the_rest_take_what_is_left():
    names = ["BALD, b 5", "Random", "BALD, b 10", "as in print", "half of the pool"]
    looks = plotting.looks_of(names)
    assert list(looks) == names
    assert looks["BALD, b 5"] == plotting.look_of("bald") and looks["Random"] == plotting.look_of("random")
    assert looks["BALD, b 10"].colour == plotting.COLOURS["bald"]
    assert looks["as in print"].colour == plotting.PALETTE["vermillion"]
    assert looks["half of the pool"].colour == plotting.PALETTE["green"]
    assert len({(look.dash, look.marker) for look in looks.values()}) == len(names)


def test_looks_of_many_series_differ_though_colours_return():
    looks = plotting.looks_of(f"number {n}" for n in range(36))
    assert len({(look.dash, look.marker) for look in looks.values()}) == 36


SEEDS_S, LABELS_R = np.ones(1), [20, 30, 40, 50]
RUN = {"config": {"seed": 0}, "rounds": [{"labels": n, "accuracy": 0.5, "nll": 1.0} for n in LABELS_R]}


def drawn(names):
    """Figures of series with these names: the axes of each, and which of their artists are the series."""
    each = dict.fromkeys
    yield practice.races(new(), LABELS_R, each(names, np.ones((3, 4)))), "lines"
    yield practice.hours(new(), LABELS_R, each(names, LABELS_R), 1), "lines"
    yield replication.curves_with_quartiles(new(), {name: [RUN] for name in names}), "lines"
    yield strategies.lines_by_name(new(), LABELS_R, each(names, LABELS_R)), "lines"
    yield strategies.shares(new(), each(names, SEEDS_S), reference=1, note="pool"), "patches"
    yield batches.growth(new(), each(names, np.arange(4)), {}), "lines"
    yield batches.costs(new(), LABELS_R, each(names, LABELS_R), unit="seconds"), "lines"
    yield bayesian_networks.spreads(new(), LABELS_R, each(names, LABELS_R), reference=""), "lines"
    yield classification.reliability(new(), each(names, (LABELS_R, LABELS_R))), "lines"
    yield comparison_figures.sweeps(new(), LABELS_R, each(names, LABELS_R)), "lines"
    yield ensembles.rows_of_seeds(new(), each(names, SEEDS_S)), "collections"
    yield mc_dropout.paired(new(), each(names, SEEDS_S)), "collections"
    yield regression.named_curves(new(), LABELS_R, each(names, LABELS_R)), "lines"


def new():
    return plt.figure().subplots()


@pytest.mark.parametrize(
    "names", [("BALD", "Margin", "BatchBALD"), ("MC-dropout", "Deep ensemble", "Laplace, last layer")]
)
def test_figures_take_the_colours_of_strategies_and_posteriors_from_the_registry(names):
    wanted = {plotting.look_of(name).colour for name in names}
    others = {plotting.PALETTE["black"], plotting.PALETTE["grey"]}  # of means, limits and thresholds
    for ax, kind in drawn(names):
        colours = [
            one.get_color() if kind == "lines" else np.ravel(one.get_facecolor())[:3] for one in getattr(ax, kind)
        ]
        assert {to_hex(colour).upper() for colour in colours} - others == wanted


# Labels at the ends of lines


def ended(heights, **limits):
    ax = plt.figure(figsize=(6, 4), layout="constrained").subplots()
    for index, height in enumerate(heights):
        ax.plot(
            [0, 1, 2],
            [0, height, height],
            label=f"line {index}",
            **plotting.looks_of("abcdefgh")["abcdefgh"[index]].line,
        )
    ax.set(**limits)
    return plotting.label_ends(ax)


def test_lines_are_labelled_at_their_ends_in_their_colour_and_without_a_legend():
    ax = ended([0.2, 0.9])
    assert [(words.get_text(), words.xy) for words in ax.texts] == [("line 0", (2, 0.2)), ("line 1", (2, 0.9))]
    assert ax.get_legend() is None and ax.texts[0].get_color() == plotting.for_words(plotting.CLASS_COLOURS[0])


def test_labels_that_would_touch_move_apart_and_stay_in_the_order_of_the_lines():
    ax = ended([0.5, 0.52, 0.51, 0.1])
    ax.figure.draw_without_rendering()
    boxes = {words.get_text(): words.get_window_extent() for words in ax.texts}
    found = [boxes[f"line {index}"] for index in (3, 0, 2, 1)]
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(found))
    assert all(words.arrow_patch is not None for words in ax.texts)


def test_labels_are_written_anew_when_the_axes_have_changed():
    ax = ended([0.2, 0.9])
    ax.set_ylim(0, 100)
    assert len(plotting.label_ends(ax).texts) == 2 and ax.texts[0].arrow_patch is not None


def test_an_end_is_the_last_number_of_a_line():
    ax = plt.figure().subplots()
    ax.plot([0, 1, 2], [0, 1, np.nan], label="stops early")
    assert plotting.label_ends(ax).texts[0].xy == (1, 1)


def test_more_lines_than_there_is_room_for_get_a_legend():
    ax = plt.figure(figsize=(4, 1.4)).subplots()
    for index, look in enumerate(plotting.looks_of("abcdefgh").values()):
        ax.plot([0, 1], [0, index], label=f"line {index}", **look.line | look.mark)
    assert plotting.label_ends(ax).get_legend() is not None and not ax.texts


def test_heights_move_no_more_than_they_must():
    np.testing.assert_allclose(plotting.spread([0, 5, 6, 20], 4, 0, 30), [0, 3.5, 7.5, 20], atol=0.51)
    np.testing.assert_allclose(plotting.spread([10, 10], 4, 0, 30), [8, 12])
    np.testing.assert_allclose(plotting.spread([29, 30], 4, 0, 30), [26, 30])


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


def test_show_draws_twice_as_fine_as_a_screen_and_says_how_wide(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    with plt.rc_context():
        plotting.use_style()
        plotting.show(plt.figure(figsize=(5, 3)), "A straight line that rises from left to right.")
    ((data, options),) = shown
    assert Image.open(io.BytesIO(data["image/png"])).size == (1000, 600)
    assert options["metadata"]["image/png"]["width"] == 480


@pytest.mark.parametrize(
    ("over_all", "of_panels", "kept"),
    [("", ["BALD wins"], "BALD wins"), ("It\nwins", ["a", "b"], "It\nwins"), ("", ["a", "b"], ""), ("", [], "")],
)
def test_show_keeps_the_title_that_speaks_of_the_whole_figure(monkeypatch, over_all, of_panels, kept):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append(options["metadata"]))
    with plt.rc_context():
        plotting.use_style()
        figure, axes = plt.subplots(1, 2)
        for ax, title in zip(axes, of_panels, strict=False):
            ax.set_title(title)
        figure.suptitle(over_all)
        plotting.show(figure, "Two panels of which each has a line.")
    assert shown[0]["image/png"]["title"] == kept


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


def test_large_areas_and_small_marks_keep_their_colours_among_256():
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), dpi=200)
    left.axvspan(0, 0.5, **plotting.shade(plotting.PALETTE["grey"], 0.15))
    left.axvspan(0.4, 1, **plotting.shade(plotting.PALETTE["blue"], 0.23, "--"))
    values = np.random.default_rng(0).normal(size=(4, 150)).cumsum(axis=1)
    for colour, marker, values_T in zip(plotting.CLASS_COLOURS, plotting.CLASS_MARKERS, values, strict=False):
        right.plot(values_T, marker=marker, color=colour, markersize=4)
    full = io.BytesIO()
    figure.savefig(full)
    before = np.asarray(Image.open(full).convert("RGB")).reshape(-1, 3).astype(int)
    after = np.asarray(Image.open(io.BytesIO(plotting.in_few_colours(Image.open(full)))).convert("RGB")).reshape(-1, 3)
    colours, places, counts = np.unique(before, axis=0, return_inverse=True, return_counts=True)
    for colour in np.argsort(-counts)[:12]:  # paper, areas, the marks of the four curves
        assert (after[places == colour] == colours[colour]).all(), colours[colour]
    assert np.abs(after - before).max() < 32
