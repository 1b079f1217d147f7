"""Pictures and tables of a replication: what is drawn and written is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from bal_course.figures import replication as pictures
from bal_utils.plotting import look_of
from bal_utils.sweep.replication import labels_quartiles, paired_lead, published

INF, NAN = float("inf"), float("nan")


@pytest.fixture
def ax():
    yield plt.figure().subplots()
    plt.close("all")


def made(accuracies, seed=0, start=(0, 1)):
    rounds = [{"labels": 20 + 10 * i, "accuracy": a, "nll": 1 - a} for i, a in enumerate(accuracies)]
    return {"config": {"seed": seed}, "start": list(start), "rounds": rounds}


def test_curves_are_medians_with_quartiles_and_count_their_runs(ax):
    groups = {"BALD": [made([0.1, 0.5]), made([0.3, 0.6]), made([0.2])], "Random": [made([0.1, 0.2])]}
    pictures.curves_with_quartiles(ax, groups, thresholds=(0.9,))
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.55])  # the third run has not finished
    assert [text.get_text() for text in ax.texts] == ["Random (1 seed)", "BALD (3 seeds)"]  # at their ends, from below
    np.testing.assert_allclose(ax.lines[2].get_ydata(), 0.9)
    assert ax.get_ylabel() == "test accuracy"
    pictures.curves_with_quartiles(ax, groups, quantity="nll")
    assert ax.get_ylabel() == "test NLL (nats)"


def test_a_name_keeps_its_colour_from_figure_to_figure(ax):
    other = plt.figure().subplots()
    pictures.curves_with_quartiles(ax, {"a": [made([0.1])], "b": [made([0.1])]})
    pictures.curves_with_quartiles(other, {"b": [made([0.1])]}, among=["a", "b"])
    assert ax.lines[1].get_color() == other.lines[0].get_color() != ax.lines[0].get_color()
    with pytest.raises(ValueError, match="among: expected 'c' among"):
        pictures.curves_with_quartiles(ax, {"c": [made([0.1])]}, among=["a"])


def test_as_many_runs_of_all_are_counted_once_beside_the_axis(ax):
    pictures.curves_with_quartiles(ax, {"BALD": [made([0.1, 0.5])] * 2, "Random": [made([0.1, 0.2])] * 2})
    assert ax.get_xlabel() == "labelled images (2 seeds each)"
    assert [text.get_text() for text in ax.texts] == ["Random", "BALD"]


def test_published_rows_are_read_with_what_is_missing(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("strategy,labels_q25,labels_q50,labels_q75\nbald,,145,\nbatchbald,200,210,inf\n")
    bald, batchbald = published(table)
    assert pictures.quartiles_in(batchbald) == (200, 210, INF)
    found = pictures.quartiles_in(bald, plus=100)
    assert found[1] == 245 and np.isnan(found[0]) and np.isnan(found[2])


@pytest.mark.parametrize(
    ("quartiles", "words"),
    [
        ((130, 130, 180), "130/130/180"),
        ((NAN, 165, NAN), "165"),
        ((140, 140, 140), "140"),
        ((260, 260, INF), "260/260/∞"),
        ((INF, INF, INF), "∞"),
        (None, "–"),
    ],
)
def test_quartiles_in_words(quartiles, words):
    assert pictures.quartiles_in_words(quartiles) == words


def test_the_table_sets_published_beside_ours():
    ours = labels_quartiles([made([0.5, 0.91, 0.95]), made([0.5, 0.6, 0.9]), made([0.5, 0.6, 0.7])], 0.9)
    rows = {
        "BALD": {0.9: ((NAN, 165, NAN), ours), 0.95: ((335, 355, INF), None)},
        "Random": {0.9: (None, (INF, INF, INF)), 0.95: (None, None)},
    }
    table = pictures.reached_table(rows, counts={"BALD": "3 seeds", "Random": "1 seed"})
    assert table.columns == ["", "ours", "90 %, published", "90 %, ours", "95 %, published", "95 %, ours"]
    assert table.rows[0] == ["BALD", "3 seeds", "165", "30/40/∞", "335/355/∞", "–"]
    assert table.rows[1] == ["Random", "1 seed", "–", "∞", "–", "–"]
    markdown = table._repr_markdown_().splitlines()
    assert len(markdown) == 4 and markdown[1] == "| --- | --- | --- | --- | --- | --- |"
    assert markdown[2] == "| BALD | 3 seeds | 165 | 30/40/∞ | 335/355/∞ | – |"
    assert "335/355/∞" in repr(table) and not repr(table).endswith(" ")
    with pytest.raises(ValueError, match="rows: expected the accuracies"):
        pictures.reached_table({"a": {0.9: (None, None)}, "b": {}})
    with pytest.raises(ValueError, match="rows: expected 2 entries in each, got 1"):
        pictures.Table(["a", "b"], [["alone"]])


def test_leads_are_those_of_the_pairs(ax):
    curves = np.random.default_rng(0).uniform(0.5, 0.9, (2, 4, 5))
    mine, theirs = ([made(c, seed=s, start=range(20)) for s, c in enumerate(group)] for group in curves)
    lead = paired_lead(mine, theirs)
    pictures.leads(ax, {"BALD against random": lead, "one": (1.5, None, 1)}, wide=30.0)
    differences = 100 * (curves[0] - curves[1])[:, 1:].mean(axis=1)
    half = stats.t.ppf(0.975, 3) * differences.std(ddof=1) / 2
    zero, bar, mark, hollow = ax.lines
    np.testing.assert_allclose(bar.get_xdata(), [differences.mean() - half, differences.mean() + half])
    np.testing.assert_allclose(mark.get_xdata(), [differences.mean()])
    assert hollow.get_markerfacecolor() == "white" != mark.get_markerfacecolor() and zero.get_xdata() == [0, 0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["BALD against random (4 pairs)", "one (1 pair)"]
    assert ax.get_xlim()[1] >= 30
    assert pictures.lead_in_words((1.25, (-0.3, 2.8), 3)) == "+1.2 points [-0.3, +2.8], 3 pairs"
    assert pictures.lead_in_words((-1.5, None, 1)) == "-1.5 points, 1 pair"


@pytest.mark.parametrize(
    ("ends", "above", "not_above"),
    [
        ((0.1, 2.0), "confirmed", "refuted"),
        ((-2.0, -0.1), "refuted", "confirmed"),
        ((-1.0, 2.0), "open", "not refuted"),
        (None, "open (one pair)", "open (one pair)"),
    ],
)
def test_a_verdict_is_what_the_interval_says(ends, above, not_above):
    assert pictures.verdict(ends, claims="above") == above
    assert pictures.verdict(ends, claims="not above") == not_above
    with pytest.raises(ValueError, match="claims: expected 'above' or 'not above'"):
        pictures.verdict(ends, claims="below")


def test_verdicts_are_a_table():
    table = pictures.verdicts([("BALD is faster", "+1.0 points", "confirmed")])
    assert table.columns == ["claim", "evidence", "verdict"]
    assert table.rows == [["BALD is faster", "+1.0 points", "confirmed"]]


def test_the_sheet_holds_every_image_at_its_place(ax):
    images = np.arange(2 * 3 * 4 * 4, dtype=float).reshape(2, 3, 4, 4)
    images[1, 2] = NAN
    pictures.asked(ax, images, ["round 1", "round 2"], ring=[(1, 0)])
    sheet = ax.images[0].get_array()
    np.testing.assert_allclose(sheet[0:4, 4:8], images[0, 1])
    np.testing.assert_allclose(sheet[4:8, 0:4], images[1, 0])
    assert (sheet[4:8, 8:12] == 0).all()
    (frame,) = ax.patches
    assert frame.get_xy() == (-0.5, 3.5) and frame.get_width() == frame.get_height() == 4
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["round 1", "round 2"]


def test_shares_are_written_in_their_cells(ax):
    pictures.class_shares(ax, {"BALD": np.array([0.25, 0.75]), "Random": np.array([0.5, 0.5])})
    assert [text.get_text() for text in ax.texts] == ["25", "75", "50", "50"]
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.25, 0.75], [0.5, 0.5]])


def test_seconds_are_stacked(ax):
    parts = {
        "BALD": {"train": 10.0, "evaluate": 4.0, "acquire": 3.0},
        "Random": {"train": 9.0, "evaluate": 4.0, "acquire": 0.0},
    }
    pictures.seconds(ax, parts)
    bald = [bar for bar in ax.patches if round(bar.get_y() + bar.get_height() / 2) == 0]
    assert [(bar.get_x(), bar.get_width()) for bar in bald] == [(0, 10), (10, 4), (14, 3)]
    assert len({bar.get_hatch() for bar in bald}) == 3


def test_theirs_and_ours_are_drawn_as_they_are(ax):
    published_runs = {"0": {100: 0.8, 105: 0.81}, "mean": {100: 0.82, 105: 0.83}}
    pictures.theirs_and_ours(ax, "BALD", published_runs, [{100: 0.79, 105: 0.84}])
    drawn = {tuple(line.get_ydata()): line for line in ax.lines}
    assert {(0.8, 0.81), (0.82, 0.83), (0.79, 0.84)} <= drawn.keys()
    assert drawn[0.79, 0.84].get_color() == look_of("bald").colour and "BALD" in (ax.get_title(), ax.get_title("left"))


def test_errors_are_in_per_cent_a_dot_a_run_and_a_line_for_their_mean(ax):
    pictures.errors(ax, {"BALD": [made([0.8, 0.9]), made([0.9, 0.94], seed=1)]})
    mean, *dots = ax.lines
    np.testing.assert_allclose(mean.get_ydata(), [15, 8])
    np.testing.assert_allclose([line.get_ydata() for line in dots], [[20, 10], [10, 6]])
    assert ax.get_yscale() == "log"
