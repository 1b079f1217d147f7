"""The table of a replication, on records made by hand."""

import shutil
import warnings

import numpy as np
import pytest
from scipy import stats

from bal_utils.active_learning import POSTERIORS
from bal_utils.records import save_run
from bal_utils.sweep.replication import (
    Group,
    labels_quartiles,
    leads_by_seed,
    load_groups,
    paired_lead,
    published,
    share_of_duplicates,
    up_to,
)


def made(accuracies, *, strategy="bald", seed=0, batch_size=10, acquired=(), images=100):
    rounds = [{"labels": 20 + batch_size * i, "accuracy": a, "acquired": []} for i, a in enumerate(accuracies)]
    rounds[0]["acquired"] = list(acquired)
    config = {"strategy": strategy, "batch_size": batch_size, "posterior": "mc_dropout", "seed": seed}
    data = {"name": "made", "train": images}
    return {"config": config, "data": data, "start": list(range(20)), "rounds": rounds}


def test_labels_are_those_of_the_first_crossing():
    runs = [made([0.5, 0.91, 0.89, 0.95]), made([0.5, 0.6, 0.9, 0.9]), made([0.5, 0.6, 0.7, 0.8])]
    assert labels_quartiles(runs, 0.9) == (30, 40, np.inf)  # places 0.5, 1 and 1.5 of 0..2; halves go to the even one
    assert labels_quartiles(runs[2:], 0.9)[1] == np.inf


def test_up_to_cuts_rounds_and_leaves_the_records_alone():
    run = made([0.5, 0.6, 0.7])  # with 20, 30 and 40 labels
    (cut,) = up_to([run], 30)
    assert [entry["labels"] for entry in cut["rounds"]] == [20, 30] and len(run["rounds"]) == 3
    assert {**cut, "rounds": run["rounds"]} == run


def test_a_lead_is_paired_by_seed_and_leaves_out_the_shared_start():
    curves = np.random.default_rng(0).uniform(0.5, 0.9, (2, 4, 5))
    mine, theirs = ([made(c, seed=s) for s, c in enumerate(group)] for group in curves)
    mean, (low, high), pairs = paired_lead(mine, [*reversed(theirs), made(curves[0, 0], seed=9)])
    leads = 100 * (curves[0] - curves[1])[:, 1:].mean(axis=1)
    expected = stats.ttest_1samp(leads, 0).confidence_interval(0.95)
    np.testing.assert_allclose([mean, low, high], [leads.mean(), expected.low, expected.high])
    assert pairs == 4
    by_seed = leads_by_seed(mine, [*theirs[1:], made(curves[0, 0], seed=9)])
    assert list(by_seed) == [1, 2, 3]
    np.testing.assert_allclose(list(by_seed.values()), leads[1:])
    with_40 = stats.ttest_1samp(100 * (curves[0] - curves[1])[:, 2], 0)  # 20, 30, 40 labels
    mean, ends, _ = paired_lead(mine, theirs, at=40)
    np.testing.assert_allclose(
        [mean, *ends], [100 * (curves[0] - curves[1])[:, 2].mean(), *with_40.confidence_interval()]
    )
    assert leads_by_seed(mine, theirs, at=45) == {}  # nobody measured there


def test_a_lead_of_one_pair_has_no_interval():
    mean, ends, pairs = paired_lead([made([0.5, 0.6])], [made([0.5, 0.5])])
    assert (round(mean, 9), ends, pairs) == (10, None, 1)


def test_a_lead_without_pairs_is_refused():
    with pytest.raises(ValueError, match="runs: expected a seed"):
        paired_lead([made([0.5, 0.6])], [made([0.5, 0.6], seed=1)])


def test_a_duplicate_is_another_copy_of_what_is_labelled():
    # 50 images twice: 60 is image 10, in the start; 75 is image 25, new; 25 is 75's other copy
    assert share_of_duplicates(made([0.5], acquired=[60, 75, 25, 30]), 2) == 2 / 4
    assert share_of_duplicates(made([0.5], acquired=[60, 75, 25, 30]), 1) == 0


def test_groups_are_read_from_a_folder(tmp_path):
    for seed in (1, 0):
        for strategy in ("random", "bald"):
            save_run(tmp_path / f"{strategy}{seed}.json", made([0.5], strategy=strategy, seed=seed))
    groups = load_groups(tmp_path)
    assert set(groups) == {Group("random", 10), Group("bald", 10)}
    assert [run["config"]["seed"] for run in groups[Group("bald", 10)]] == [0, 1]


def seeds_of(folder):
    [runs] = load_groups(folder).values()
    return [(run["config"]["seed"], len(run["rounds"])) for run in runs]


def test_a_seed_counts_once_and_its_longest_copy_is_read(tmp_path):
    for seed in (0, 1):
        path = save_run(tmp_path / f"bald{seed}.json", made([0.5, 0.6], seed=seed))
    shutil.copy(path, tmp_path / "bald1 (1).json")
    continued = made([0.5, 0.6, 0.7], seed=0)
    continued["config"]["labels"] = 40
    save_run(tmp_path / "elsewhere" / "bald0.json", continued)
    with pytest.warns(UserWarning, match="a copy of") as said:
        assert seeds_of(tmp_path) == [(0, 3), (1, 2)]
    assert len(said) == 1 and "bald0.json" in str(said[0].message) and "2 in all" in str(said[0].message)


def test_two_different_runs_of_a_seed_are_refused(tmp_path):
    save_run(tmp_path / "a.json", made([0.5]))
    other = made([0.5])
    other["config"]["model"] = "mlp"
    save_run(tmp_path / "b.json", other)
    with pytest.raises(ValueError, match=r"one run of a seed.*a\.json and .*b\.json"):
        load_groups(tmp_path)


def test_what_editors_and_jupyter_keep_is_no_run(tmp_path):
    path = save_run(tmp_path / "bald0.json", made([0.5]))
    for place in (".vscode/settings.json", ".ipynb_checkpoints/bald0-checkpoint.json", ".hidden.json"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / place)
    (tmp_path / "folder.json").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert seeds_of(tmp_path) == [(0, 1)]


ODD = {
    "no config": '{"rounds": []}',
    "no rounds": '{"config": {"strategy": "bald", "batch_size": 10, "posterior": "mc_dropout", "seed": 0}}',
    "no round yet": None,
    "a list": "[]",
    "settings": '{"editor.fontSize": 14}',
    "cut off": '{"rounds": [{"labels"',
    "nested": "[" * 100_000,
    "digits": '{"rounds": ' + "9" * 5000 + "}",
    "infinite": None,
    "binary": "\x00\xff",
}


@pytest.mark.parametrize("kind", ODD)
def test_files_that_are_no_records_are_left_out_and_named(kind, tmp_path):
    save_run(tmp_path / "bald0.json", made([0.5]))
    path = save_run(tmp_path / "odd.json", made([0.5], seed=1))
    if kind == "infinite":
        path.write_text(path.read_text().replace("0.5", "1e999"))
    elif kind == "no round yet":
        save_run(path, {**made([0.5], seed=1), "rounds": []})
    else:
        path.write_bytes(ODD[kind].encode("latin-1"))
    with pytest.warns(UserWarning, match=r"odd\.json"):
        assert seeds_of(tmp_path) == [(0, 1)]
    (tmp_path / "bald0.json").unlink()
    with pytest.raises(FileNotFoundError, match="folder: expected run records"):
        load_groups(tmp_path)


def test_two_data_sets_are_not_one_figure(tmp_path):
    save_run(tmp_path / "a.json", made([0.5]))
    other = made([0.5], seed=1)
    other["data"]["name"] = "other"
    save_run(tmp_path / "b.json", other)
    with pytest.raises(ValueError, match="folder: expected runs on one data set, got made and other"):
        load_groups(tmp_path)


def test_a_seed_that_was_never_measured_together_has_no_lead():
    mine = [made([0.5, 0.6], seed=0), made([0.5, 0.6], seed=1)]
    theirs = [made([0.5, 0.5], seed=0), made([0.5], seed=1)]  # the second has not gone beyond the start
    np.testing.assert_allclose(list(leads_by_seed(mine, theirs).items()), [(0, 10)])


@pytest.mark.parametrize(
    ("acquired", "copies", "message"), [((5,), 3, "copies"), ((5,), 0, "copies"), ((), 2, "acquired")]
)
def test_a_share_of_nothing_is_refused(acquired, copies, message):
    with pytest.raises(ValueError, match=message):
        share_of_duplicates(made([0.5], acquired=acquired), copies)
    assert share_of_duplicates(made([0.5], acquired=[60, 75]), np.int64(2)) == 0.5


def test_published_rows_are_chosen_by_column(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("strategy,batch_size,labels\nbald,10,130\nbald,40,140\n")
    assert [row["labels"] for row in published(table, strategy="bald", batch_size=40)] == ["140"]
    with pytest.raises(ValueError, match="size: expected one of the columns strategy, batch_size, labels"):
        published(table, size=40)


def test_groups_of_one_strategy_are_told_apart_by_their_committee():
    kinds = [Group("bald", 10, posterior) for posterior in POSTERIORS]
    assert len({kind.remark for kind in kinds}) == len(POSTERIORS) and Group("bald", 10).remark == ""
    assert [Group("bald", 10, kind).title for kind in ("mc_dropout", "mc_dropout_fresh")] == [
        "BALD",
        "BALD, fresh masks",
    ]
