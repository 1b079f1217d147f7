"""The table of a replication, on records made by hand."""

import numpy as np
import pytest
from scipy import stats

from bal_utils.records import save_run
from bal_utils.replication import (
    Group,
    labels_quartiles,
    leads_by_seed,
    load_groups,
    paired_lead,
    published,
    share_of_duplicates,
)


def made(accuracies, *, strategy="bald", seed=0, batch_size=10, acquired=(), images=100):
    rounds = [{"labels": 20 + batch_size * i, "accuracy": a, "acquired": []} for i, a in enumerate(accuracies)]
    rounds[0]["acquired"] = list(acquired)
    config = {"strategy": strategy, "batch_size": batch_size, "posterior": "mc_dropout", "seed": seed}
    return {"config": config, "data": {"train": images}, "start": list(range(20)), "rounds": rounds}


def test_labels_are_those_of_the_first_crossing():
    runs = [made([0.5, 0.91, 0.89, 0.95]), made([0.5, 0.6, 0.9, 0.9]), made([0.5, 0.6, 0.7, 0.8])]
    assert labels_quartiles(runs, 0.9) == (30, 40, np.inf)  # places 0.5, 1 and 1.5 of 0..2; halves go to the even one
    assert labels_quartiles(runs[2:], 0.9)[1] == np.inf


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


def test_a_lead_of_one_pair_is_refused():
    with pytest.raises(ValueError, match="runs: expected at least two seeds that the rivals have too, got 1"):
        paired_lead([made([0.5, 0.6])], [made([0.5, 0.6])])


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


def test_published_rows_are_chosen_by_column(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("strategy,batch_size,labels\nbald,10,130\nbald,40,140\n")
    assert [row["labels"] for row in published(table, strategy="bald", batch_size=40)] == ["140"]
    with pytest.raises(ValueError, match="size: expected one of the columns strategy, batch_size, labels"):
        published(table, size=40)
