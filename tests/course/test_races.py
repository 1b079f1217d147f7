"""The race of notebook 10: its stack against `fit`, its pools by counting, its results against runs one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bal_course import races
from bal_utils.active_learning import Loop, run_active_learning
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig

SHORT = replace(
    races.CONFIG, labels=30, fit=FitConfig(learning_rate=3e-3, batch_size=100, max_epochs=3, stop_on="never")
)


def test_the_stack_takes_the_steps_of_fit(monkeypatch):
    """Without dropout the two are the same computation, to the rounding of batched products."""
    from bal_utils.models import MLP

    monkeypatch.setitem(races.MODELS, "digits_mlp", lambda data: MLP(64, 10, hidden=(16,), dropout=0.0))
    data = races.clean().data
    loops = [Loop(replace(SHORT, seed=seed), data, device="cpu") for seed in (0, 1)]
    tasks = [loop.fit_task(0) for loop in loops]
    races.train_together(tasks)
    for loop, task in zip(loops, tasks, strict=True):
        alone = loop.fit_network(0)
        for ours, theirs in zip(task.model.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_a_race_counts_as_runs_one_by_one_do():
    """Random does not look at the network, so that it buys the same pictures however the network was trained."""
    pool = races.scanner()
    labels, found = races.race(pool, ["Random"], [0, 3], SHORT)
    assert labels == [20, 30] and found["Random"].accuracy_S_R.shape == (2, 2)
    for row, seed in enumerate((0, 3)):
        record = run_active_learning(
            replace(SHORT, strategy="random", seed=seed), pool.data, device="cpu", progress=False
        )
        bought = record["rounds"][0]["acquired"]
        assert found["Random"].odd_S_R[row, 0] == pool.odd_N[bought].double().mean()


def test_an_unknown_racer_is_refused():
    with pytest.raises(ValueError, match="^racers: expected some of Random, .*, got 'Luck'"):
        races.race(races.clean(), ["Luck"], [0], SHORT)


def test_spoiled_scans_keep_their_ink_and_lose_their_label():
    clean, pool = races.clean().data, races.scanner()
    odd = pool.odd_N
    assert 0.27 < odd.double().mean() < 0.33
    assert torch.equal(pool.data.train_images[~odd], clean.train_images[~odd])
    inks = [data.train_images[odd].flatten(1).sort(dim=1).values for data in (pool.data, clean)]
    assert torch.equal(*inks) and not torch.equal(pool.data.train_images[odd], clean.train_images[odd])
    assert (
        0.06 < (pool.data.train_labels == clean.train_labels)[odd].double().mean() < 0.15
    )  # one guess in ten is right
    assert torch.equal(pool.data.test_images, clean.test_images)


@pytest.mark.parametrize(("make", "classes"), [(races.coins, [3, 8]), (races.dice, list(range(10)))])
def test_blots_look_alike_and_their_labels_are_drawn_evenly(make, classes):
    pool = make()
    odd, labels = pool.odd_N, pool.data.train_labels
    assert 0.46 < odd.double().mean() < 0.54
    counts = torch.bincount(labels[odd], minlength=10)
    even = odd.sum().item() / len(classes)
    assert counts.nonzero()[:, 0].tolist() == classes
    assert (counts[classes] - even).abs().max() < 4 * np.sqrt(even)
    pixels = pool.data.train_images.double().flatten(1)
    assert pixels[odd].std(dim=0).mean() < 0.3 * pixels[~odd].std(dim=0).mean()


def test_what_is_saved_is_loaded(tmp_path):
    result = races.Result(np.array([[0.5, 0.61236]]), np.array([[0.1, 0.0]]))
    races.save(tmp_path / "new" / "race.json", [20, 30], {"BALD": result})
    labels, found = races.load(tmp_path / "new" / "race.json")
    assert labels == [20, 30]
    np.testing.assert_allclose(found["BALD"].accuracy_S_R, [[0.5, 0.6124]])
    np.testing.assert_allclose(found["BALD"].odd_S_R, result.odd_S_R)


@pytest.mark.parametrize("name", races.RACES)
def test_the_stored_results_are_those_of_the_races(name):
    labels, found = races.load(Path(__file__).parents[2] / "figures" / "strategies" / f"{name}.json")
    setting = races.RACES[name]
    assert list(found) == setting["racers"] and labels[0] == 20 and labels[-1] == setting["config"].labels
    for result in found.values():
        assert result.accuracy_S_R.shape == result.odd_S_R.shape == (len(setting["seeds"]), len(labels))


@pytest.mark.parametrize("name", races.FIRST)
def test_first_labels_are_different_pictures(name):
    pixels_N_F = torch.randn(60, 4, generator=stream(0, "pixels"))
    chosen = races.FIRST[name](pixels_N_F, 10, 0)
    assert len(set(chosen)) == 10 and set(chosen) <= set(range(60))


def test_first_labels_of_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="^name: expected one of Random, Core-set, ProbCover, got 'Best'"):
        races.cold_start("Best", 10, [0])
