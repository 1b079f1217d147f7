"""The loop on scikit-learn's digits: disjoint sets, same seed same run, killed and resumed as if never killed."""

import copy
import json
import multiprocessing
import multiprocessing.forkserver
import random
import signal
import statistics
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bal_utils import active_learning
from bal_utils.active_learning import KIRSCH_START, LoopConfig, Split, loop_config, run_active_learning
from bal_utils.data import load_images
from bal_utils.data.images import ImageSet
from bal_utils.posteriors.mc_dropout import deterministic_log_probs
from bal_utils.records import load_run, save_run
from bal_utils.sweep import run_sweep
from bal_utils.training.fit import FitConfig

SMALL = LoopConfig(
    strategy="bald",
    batch_size=7,
    labels=40,
    validation_size=50,
    model="mlp",
    num_samples=5,
    test_samples=5,
    fit=FitConfig(max_epochs=3),
)
# thirteen rounds of some hundredths of a second, for kills before the tenth
LONG = replace(SMALL, batch_size=5, labels=80, fit=FitConfig(max_epochs=2, epoch_samples=256))
LAST_KILL = 10


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


@pytest.fixture(scope="module")
def whole_run(digits):
    return run_active_learning(SMALL, digits, device="cpu", progress=False)


def comparable(record):
    """A record without what differs between two equal runs: how long they took, and where."""
    record = copy.deepcopy(record)
    del record["machine"]
    for entry in record["rounds"]:
        del entry["seconds"]
    return record


def all_acquired(record):
    return [index for entry in record["rounds"] for index in entry["acquired"]]


def test_labels_grow_to_exactly_what_was_asked_for(whole_run):
    assert [entry["labels"] for entry in whole_run["rounds"]] == [20, 27, 34, 40]
    assert [len(entry["acquired"]) for entry in whole_run["rounds"]] == [7, 7, 6, 0]
    assert all(0 <= entry["accuracy"] <= 1 and entry["nll"] > 0 for entry in whole_run["rounds"])


def test_labelled_validation_and_pool_stay_disjoint_and_whole(digits):
    split = Split(digits, SMALL)
    assert torch.bincount(digits.train_labels[split.labelled]).tolist() == [2] * 10
    for _ in range(3):
        split.acquire(split.pool[5:300:50])
        parts = [set(split.labelled), set(split.validation), set(split.pool)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(digits.train_labels)
    for wrong in ([split.labelled[0]], [split.validation[0]], [split.pool[0]] * 2, [10**6]):
        with pytest.raises(ValueError, match="indices: expected different images of the pool"):
            split.acquire(wrong)


def test_nothing_is_labelled_twice(whole_run, digits):
    acquired = all_acquired(whole_run)
    split = Split(digits, SMALL)
    assert len(set(acquired)) == 20 and set(acquired) <= set(split.pool)


def test_same_seed_same_run_whatever_was_drawn_before(whole_run, digits):
    torch.manual_seed(99)
    torch.rand(5)
    before = torch.get_rng_state()
    assert comparable(run_active_learning(SMALL, digits, device="cpu", progress=False)) == comparable(whole_run)
    assert torch.equal(before, torch.get_rng_state())
    other = run_active_learning(replace(SMALL, seed=1), digits, device="cpu", progress=False)
    assert other["start"] != whole_run["start"]


@pytest.mark.parametrize("strategy", ["random", "bald", "batchbald"])
@pytest.mark.parametrize("finished", [0, 1, 3, 4])
def test_a_run_cut_short_ends_as_the_uninterrupted_one(strategy, finished, digits, tmp_path):
    config = replace(SMALL, strategy=strategy)
    whole = run_active_learning(config, digits, path=tmp_path / "whole.json", device="cpu", progress=False)
    cut = {**whole, "rounds": whole["rounds"][:finished]}
    path = save_run(tmp_path / "cut.json", cut)
    resumed = run_active_learning(config, digits, path=path, device="cpu", progress=False)
    assert comparable(resumed) == comparable(whole) == comparable(load_run(path))


def rounds_at(path):
    return load_run(path)["rounds"] if path.exists() else []


@pytest.fixture(scope="module")
def start():
    """Starts a sweep in a process of its own, a copy of one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bal_utils.sweep", "sklearn.datasets", "torch._dynamo", "pytest"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # sums in one order, whatever the machine
        multiprocessing.forkserver.ensure_running()

    def start(out):
        where = {"images": ImageSet(name="digits"), "device": "cpu"}
        process = context.Process(target=run_sweep, args=([LONG], out), kwargs=where)
        process.start()
        return process

    return start


@pytest.mark.slow
def test_killed_ten_times_then_resumed(start, tmp_path):
    """A sweep is killed with SIGKILL at ten moments, then left to finish: its record is that of one left in peace.

    A moment is drawn as a number of finished rounds, and a share of the time that the next one takes, so that the ten
    spread over the run whatever the speed of the machine, and within a round over training, testing, asking and saving.
    The drawn rounds end well before the last one: a run that is suddenly faster than before is still there to be killed.
    """
    whole, killed = tmp_path / "whole" / "bald_b5_seed0.json", tmp_path / "killed" / "bald_b5_seed0.json"
    start(whole.parent).join()
    length = statistics.median(sum(entry["seconds"].values()) for entry in rounds_at(whole))
    moments = random.Random(0)
    for number in sorted(moments.choices(range(LAST_KILL), k=10)):
        process = start(killed.parent)
        while len(rounds_at(killed)) < number and process.is_alive():
            time.sleep(0.001)
        time.sleep(moments.random() * length)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        before = rounds_at(killed)
    start(killed.parent).join()
    assert comparable(load_run(killed)) == comparable(load_run(whole))
    assert 0 < len(before) < len(rounds_at(whole)) and rounds_at(killed)[: len(before)] == before  # not done again
    assert [path.name for path in killed.parent.iterdir()] == [killed.name]  # neither parts of files nor locks


@pytest.mark.parametrize("labels", [34, 30])  # after a whole batch, and in the middle of one
def test_a_finished_run_goes_on_to_more_labels(labels, digits, tmp_path):
    path = tmp_path / "run.json"
    run_active_learning(replace(SMALL, labels=labels), digits, path=path, device="cpu", progress=False)
    config = replace(SMALL, labels=labels + 8)
    longer = run_active_learning(config, digits, path=path, device="cpu", progress=False)
    whole = run_active_learning(config, digits, device="cpu", progress=False)
    assert comparable(longer) == comparable(whole) == comparable(load_run(path))
    with pytest.raises(ValueError, match="path: .* holds a run with another config"):
        run_active_learning(replace(SMALL, labels=labels), digits, path=path, device="cpu", progress=False)


def test_a_record_of_another_run_is_left_alone(whole_run, digits, tmp_path):
    path = save_run(tmp_path / "run.json", whole_run)
    text = path.read_text()
    with pytest.raises(ValueError, match="path: .* holds a run with another config"):
        run_active_learning(replace(SMALL, num_samples=6), digits, path=path, device="cpu", progress=False)
    noisy = replace(digits, name="other digits")
    with pytest.raises(ValueError, match="path: .* holds a run with another data"):
        run_active_learning(SMALL, noisy, path=path, device="cpu", progress=False)
    assert path.read_text() == text


def test_the_record_names_data_machine_and_configuration(whole_run):
    assert whole_run["data"]["name"] and whole_run["config"]["strategy"] == "bald"
    assert {"device", "threads", "torch", "git_revision"} <= set(whole_run["machine"])
    assert json.loads(json.dumps(whole_run)) == whole_run


def test_random_never_scores_the_pool(digits, monkeypatch):
    sizes = []

    def counting(model, inputs, num_samples, *, generator):
        sizes.append(len(inputs))
        return deterministic_log_probs(model, inputs)

    monkeypatch.setitem(active_learning.POSTERIORS, "mc_dropout", counting)
    run_active_learning(replace(SMALL, strategy="random"), digits, device="cpu", progress=False)
    assert set(sizes) == {len(digits.test_labels)}


@pytest.mark.parametrize("posterior", ["mc_dropout", "deterministic"])
def test_every_posterior_runs(posterior, digits):
    config = replace(SMALL, posterior=posterior, strategy="entropy", labels=27)
    assert len(run_active_learning(config, digits, device="cpu", progress=False)["rounds"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "bold"}, "strategy: expected one of random"),
        ({"model": "vgg"}, "model: expected one of mlp"),
        ({"posterior": "prior"}, "posterior: expected one of mc_dropout"),
        ({"batch_size": 0}, "batch_size: expected a whole number, at least 1, got 0"),
        ({"labels": -5}, "labels: expected a whole number"),
        ({"num_samples": 2.5}, "num_samples: expected a whole number"),
        ({"validation_size": True}, "validation_size: expected a whole number"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def test_whole_numbers_of_numpy_are_whole_numbers(digits):
    own = replace(SMALL, batch_size=np.int64(7), seed=np.int32(0), start=(np.int64(3), np.int64(4)), labels=np.uint8(9))
    assert all(type(value) is int for value in (own.batch_size, own.seed, own.labels, *own.start))
    record = run_active_learning(own, digits, device="cpu", progress=False)
    plain = run_active_learning(replace(SMALL, start=(3, 4), labels=9), digits, device="cpu", progress=False)
    assert comparable(record) == comparable(plain) and json.loads(json.dumps(record)) == record


def test_more_labels_than_images(digits):
    with pytest.raises(ValueError, match="labels: expected at most"):
        run_active_learning(replace(SMALL, labels=10**6), digits, progress=False)


def test_paper_scale_is_the_published_protocol():
    config = loop_config("paper", strategy="batchbald")
    fit = config.fit
    assert (config.num_samples, config.validation_size, config.initial_per_class) == (100, 1024, 2)
    assert (fit.learning_rate, fit.batch_size, fit.epoch_samples, fit.max_epochs, fit.patience) == (
        1e-3,
        64,
        5056,
        30,
        3,
    )


def test_active_learning_beats_random_where_it_should():
    """A pool that is nine tenths one easy cluster: entropy finds the rare classes, random mostly labels the cluster."""
    digits = load_images("digits")
    zeros = (digits.train_labels == 0).nonzero().squeeze(1)
    rest = (digits.train_labels != 0).nonzero().squeeze(1)[:90]
    places = torch.cat([zeros, zeros, zeros, zeros, zeros, zeros, rest])
    data = replace(digits, train_images=digits.train_images[places], train_labels=digits.train_labels[places])
    config = replace(
        SMALL, initial_per_class=1, validation_size=40, labels=50, batch_size=10, fit=FitConfig(max_epochs=30)
    )
    rare = {}
    for strategy in ("random", "entropy"):
        run = run_active_learning(replace(config, strategy=strategy), data, device="cpu", progress=False)
        acquired = torch.tensor(all_acquired(run))
        rare[strategy] = (data.train_labels[acquired] != 0).sum().item()
    assert rare["entropy"] > rare["random"] + 10


def test_initial_set_is_the_same_for_every_strategy(digits):
    starts = [Split(digits, replace(SMALL, strategy=name)).labelled for name in ("random", "bald")]
    assert starts[0] == starts[1]


def test_a_chosen_start_is_the_same_for_every_seed(digits):
    start = (30, 4, 17, 250)
    records = [
        run_active_learning(replace(SMALL, start=start, seed=seed, labels=11), digits, device="cpu", progress=False)
        for seed in (0, 1)
    ]
    assert [record["start"] for record in records] == [list(start)] * 2
    assert records[0]["rounds"][0]["labels"] == 4 and not set(start) & set(all_acquired(records[0]))
    assert records[0]["config"]["start"] == list(start)


@pytest.mark.parametrize("start", [(3, 3), (5, 99999), (-1, 4)])
def test_a_start_that_does_not_exist(digits, start):
    with pytest.raises(ValueError, match="start: expected different places from 0 to"):
        Split(digits, replace(SMALL, start=start))


def test_the_published_start_has_two_images_of_each_class():
    labels_N = load_images("mnist").train_labels
    if len(labels_N) != 60_000:
        pytest.skip("needs MNIST itself")
    assert labels_N[list(KIRSCH_START)].bincount().tolist() == [2] * 10


def test_a_strategy_sees_only_the_candidates_of_the_round(digits):
    few = replace(SMALL, strategy="entropy", candidates=SMALL.batch_size)  # then it can only take them all
    order = [
        run_active_learning(replace(few, strategy=name), digits, device="cpu", progress=False)["rounds"][0]["acquired"]
        for name in ("entropy", "bald")
    ]
    assert sorted(order[0]) == sorted(order[1]) and set(order[0]) < set(Split(digits, few).pool)
    rounds = run_active_learning(few, digits, device="cpu", progress=False)["rounds"]
    assert len(set(rounds[0]["acquired"]) & set(rounds[1]["acquired"])) == 0


def test_as_many_candidates_as_images_are_all_of_them(digits, whole_run):
    size = len(Split(digits, SMALL).pool)
    run = run_active_learning(replace(SMALL, candidates=size), digits, device="cpu", progress=False)
    assert sorted(run["rounds"][0]["acquired"]) == sorted(whole_run["rounds"][0]["acquired"])


def test_fewer_candidates_than_a_batch():
    with pytest.raises(ValueError, match="candidates: expected at least batch_size = 7, got 6"):
        replace(SMALL, candidates=6)


@pytest.mark.parametrize("candidates", [0, True, 20.5, "20"])
def test_candidates_are_a_whole_number(candidates):
    with pytest.raises(ValueError, match="candidates: expected a whole number, at least 1"):
        replace(SMALL, candidates=candidates)
