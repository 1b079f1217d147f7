"""The stored runs, round by round: pictures are those of the record, on runs made here."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from bal_course.explorers.mnist_runs import (
    MARKER,
    MnistRuns,
    MnistRunsState,
    asked_for,
    batch_in_words,
    candidates,
    candidates_of,
)
from bal_scenes.base import Event
from bal_utils.active_learning import loop_config, run_active_learning
from bal_utils.data import load_images
from bal_utils.data.images import fewer_images
from bal_utils.records import load_run, save_run
from bal_utils.training.fit import FitConfig

SHORT = FitConfig(epoch_samples=64, max_epochs=1)
CONFIG = loop_config("lecture", model="mlp", labels=40, validation_size=20, num_samples=3, test_samples=3, fit=SHORT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """BALD with two seeds, random with one, entropy of one network with one."""
    found = tmp_path_factory.mktemp("runs")
    runs = (
        ("bald", 0, "mc_dropout"),
        ("bald", 1, "mc_dropout"),
        ("random", 0, "mc_dropout"),
        ("entropy", 0, "deterministic"),
    )
    for strategy, seed, posterior in runs:
        config = replace(CONFIG, strategy=strategy, seed=seed, posterior=posterior)
        path = found / f"{posterior}_{strategy}_{seed}.json"
        run_active_learning(config, load_images("digits"), path=path, device="cpu", progress=False)
    return found


@pytest.fixture
def runs(folder):
    explorer = MnistRuns(folder)
    assert explorer.error is None
    return explorer


def layers(explorer, panel, kind):
    return [layer for layer in explorer.scene["panels"][panel]["layers"] if layer["kind"] == kind]


def test_it_shows_the_images_and_labels_of_the_record(runs, folder):
    record, digits = load_run(folder / "mc_dropout_bald_0.json"), load_images("digits")
    for number in (1, 2):
        runs.set(round=number)
        places = record["rounds"][number - 1]["acquired"]
        (sheet,) = layers(runs, 0, "images")
        ink = digits.train_images[places, 0].numpy() / 255
        np.testing.assert_allclose(sheet["pixels"].reshape(10, 8, 8), 255 * (1 - ink), atol=0.51)
        (words,) = layers(runs, 0, "text")
        assert words["words"] == [str(label) for label in digits.train_labels[places].tolist()]
        assert f"round {number} of 3: {10 + 10 * number} labels" in runs.status


def test_the_big_mark_stands_at_the_round(runs, folder):
    record = load_run(folder / "mc_dropout_bald_0.json")
    for number, entry in enumerate(record["rounds"], start=1):
        runs.set(round=number)
        mark = max(layers(runs, 1, "points"), key=lambda layer: layer["size"])
        np.testing.assert_allclose([mark["x"][0], mark["y"][0]], [entry["labels"], entry["accuracy"]], rtol=1e-6)
        assert f"accuracy {entry['accuracy']:.3f}" in runs.status


@pytest.mark.parametrize(
    ("labels_B", "words"),
    [
        ([4], "one image, a 4"),
        ([8], "one image, an 8"),
        ([5, 5, 5], "3 images of 1 class, 3 of them a 5"),
        ([8, 1, 8, 0], "4 images of 3 classes, 2 of them an 8"),
    ],
)
def test_what_was_asked_for_in_words(labels_B, words):
    assert batch_in_words(labels_B) == words


def test_the_last_round_asks_for_nothing(runs):
    runs.set(round=3)
    assert not layers(runs, 0, "images") and "asks for" not in runs.status
    runs.press("forward")
    assert "last round" in runs.status and runs.state.round == 3


def test_two_strategies_stand_side_by_side(runs):
    runs.set(compare="Random", round=2)
    assert [panel["title"] for panel in runs.scene["panels"][:2]] == ["BALD asks for", "Random asks for"]
    assert len(runs.scene["panels"]) == 3 and "Random, round 2 of 3" in runs.status
    ours, theirs = (one for one in layers(runs, 2, "points") if one["label"])
    assert ours["shape"] != theirs["shape"] and ours["colour"] != theirs["colour"]
    start = MnistRunsState(compare="Random")
    both = [
        layer for layer in runs.compute(start)["panels"][2]["layers"] if layer["kind"] == "points" and layer["label"]
    ]
    assert both[0]["y"] == pytest.approx(both[1]["y"], abs=0.01)  # one start, one network
    runs.set(compare="BALD")
    assert len(runs.scene["panels"]) == 2  # itself beside itself is one


def test_a_click_on_the_curve_and_the_button_change_the_round(runs):
    runs.dispatch(Event(kind="click", panel=1, x=30.0, y=0.5, point=2))
    assert runs.state.round == 2
    runs.undo()
    assert runs.state.round == 1
    runs.press("forward")
    assert runs.state.round == 2
    runs.dispatch(Event(kind="click", panel=1, x=30.0, y=0.5))
    assert runs.state.round == 2


def test_the_marker_is_dragged_from_round_to_round(runs):
    for x, number in ((27.0, 2), (38.0, 3), (-5.0, 1)):
        runs.dispatch(Event(kind="drag", panel=1, x=x, y=0.5, point=MARKER))
        assert runs.state.round == number
    runs.dispatch(Event(kind="drop", panel=1, x=31.0, y=0.5, point=MARKER))
    assert runs.state.round == 2
    runs.undo()
    assert runs.state.round == 1
    runs.dispatch(Event(kind="click", panel=1, x=20.0, y=0.5, point=MARKER))
    assert runs.state.round == 1 and runs.error is None


def test_the_images_of_the_repeated_digit_are_framed(runs, folder):
    places = load_run(folder / "mc_dropout_bald_0.json")["rounds"][0]["acquired"]
    labels = load_images("digits").train_labels[places].tolist()
    digit = max(labels, key=lambda label: (labels.count(label), -labels.index(label)))
    (frames,) = layers(runs, 0, "line")
    assert np.isnan(frames["x"]).sum() == labels.count(digit) >= 2


def test_play_goes_to_the_last_round_and_presets_are_stored_runs(runs):
    assert list(runs.moments(runs.state)) == [1, 2, 3]
    repeats = []
    for number in (1, 2):
        labels = asked_for(runs.runs["BALD"][0], number - 1)[1]
        repeats.append(max(map(labels.count, labels)))
    first, second = (MnistRunsState(**preset.changes) for preset in runs.presets)
    assert first == replace(runs.state, round=1 + repeats.index(max(repeats)))
    assert second == replace(runs.state, compare="Random")


def test_runs_that_are_not_stored_are_refused_in_a_sentence(runs):
    runs.move("seed", 1)
    assert runs.state.seed == 1
    runs.move("strategy", "Random")
    assert "No run of Random with seed 1 is stored. There is seed 0." in runs.status
    assert runs.state.strategy == "BALD"
    runs.move("compare", "Max entropy, one network")
    assert "No run of Max entropy, one network with seed 1" in runs.status


def test_every_control_reaches_its_ends(folder):
    for strategy in ("BALD", "Random", "Max entropy, one network"):
        for compare in ("nothing", "BALD", "Random"):
            for number in (1, 3):
                state = MnistRunsState(strategy=strategy, compare=compare, round=number)
                assert MnistRuns(folder, state=state).error is None


def test_a_state_gives_one_scene_and_goes_through_text(runs):
    state = MnistRunsState(compare="Random", round=2)
    runs.state = state
    again = MnistRuns.__new__(MnistRuns)
    again.__dict__.update(runs.__dict__)
    assert repr(runs.compute(state)) == repr(again.compute(state))
    text = runs.state_as_text()
    runs.reset()
    runs.restore(text)
    assert runs.state == state


def test_batch_sizes_are_named_where_they_differ(folder, tmp_path):
    for name, size in (("a", 10), ("b", 100)):
        run = load_run(folder / "mc_dropout_bald_0.json")
        run["config"]["batch_size"] = size
        save_run(tmp_path / f"{name}.json", run)
    assert set(MnistRuns(tmp_path).runs) == {"BALD, 10 a round", "BALD, 100 a round"}


def test_large_batches_are_a_sheet_without_words(folder, tmp_path):
    run = load_run(folder / "mc_dropout_bald_0.json")
    run["rounds"][0]["acquired"] = list(range(100))
    save_run(tmp_path / "a.json", run)
    explorer = MnistRuns(tmp_path)
    (sheet,) = layers(explorer, 0, "images")
    assert len(sheet["x"]) == 100 and not layers(explorer, 0, "text")
    assert sheet["x"].max() < 10 and sheet["y"].max() < 10


def test_candidates_are_those_the_sweep_drew():
    digits = load_images("digits")
    assert candidates("scikit-learn digits", len(digits.train_labels), 0).train_labels.equal(digits.train_labels)
    some, drawn = candidates("scikit-learn digits, 300 images", 300, 4), fewer_images(digits, 300, seed=4)
    assert some.train_images.equal(drawn.train_images) and some.train_labels.equal(drawn.train_labels)
    run = {"data": {"name": "MNIST x5, noise 0.1", "train": 9}, "config": {"seed": 0}}
    with pytest.raises(ValueError, match="run: expected one on images without copies"):
        candidates_of(run)


def test_a_stand_in_is_confessed(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("BAL_DATA_DIR", raising=False)
    monkeypatch.setenv("BAL_OFFLINE", "1")
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path / "empty"))
    candidates.cache_clear()
    run = load_run(folder / "mc_dropout_bald_0.json")
    run["data"] = {"name": "MNIST, 11044 images", "is_stand_in": False, "train": 11044}
    run["rounds"][0]["acquired"] = [11043, 5]
    save_run(tmp_path / "runs" / "a.json", run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explorer = MnistRuns(tmp_path / "runs")
    assert "MNIST is not at hand: the pictures are a stand-in" in explorer.status
    digits = load_images("digits")
    assert asked_for(run, 0)[1] == digits.train_labels[[11043 % len(digits.train_labels), 5]].tolist()
    candidates.cache_clear()


def test_runs_that_differ_in_their_committee_only_have_a_title_each(tmp_path):
    """Shared masks and fresh ones in one folder: neither hides the other."""
    for posterior in ("mc_dropout", "mc_dropout_fresh"):
        config = replace(CONFIG, strategy="bald", posterior=posterior, labels=30)
        run_active_learning(
            config, load_images("digits"), path=tmp_path / f"{posterior}.json", device="cpu", progress=False
        )
    assert set(MnistRuns(tmp_path).runs) == {"BALD", "BALD, fresh masks"}
