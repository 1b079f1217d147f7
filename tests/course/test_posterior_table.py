"""The stored table of notebook 09: what its numbers mean, and that what is stored is complete and from chains that agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from bal_course import posterior_table as table
from bal_course.comparison import BACKPROP, ONE_NETWORK, fit_method, fit_networks
from bal_utils.runtime import stream

FOLDER = Path(__file__).parents[2] / "figures" / "which_posterior"


def test_blurring_is_the_mean_of_nine_pixels():
    pixels_N_64 = torch.randn(3, 64, generator=stream(0, "pixels"))
    expected = [uniform_filter(image, 3, mode="nearest") for image in pixels_N_64.reshape(3, 8, 8).numpy()]
    np.testing.assert_allclose(table.blurred(pixels_N_64).reshape(3, 8, 8), expected, atol=1e-6)


def test_ten_runs_hold_out_ten_pairs_and_number_the_others():
    digits, pairs = table.Digits(), set()
    for run in range(10):
        (inputs, labels), (test_inputs, test_labels), strangers = digits.task(run, digits.scored_N)
        assert len(inputs) == len(labels) == 160 and len(inputs) + len(test_inputs) + len(strangers) == 1397
        assert set(labels.tolist()) | set(test_labels.tolist()) == set(range(8))
        rows = {
            row.numpy().tobytes(): digit
            for row, digit in zip(digits.pixels_N_64, digits.labels_N.tolist(), strict=True)
        }
        pairs.add(frozenset(rows[row.numpy().tobytes()] for row in strangers))
    assert len(pairs) == 10 and all(len(pair) == 2 for pair in pairs)
    assert not set(digits.apart_N.tolist()) & set(digits.scored_N.tolist())


def test_what_is_lost_of_bald_is_counted_at_the_top():
    worth_N = np.array([0.1, 0.4, 0.3, 0.2])
    assert table._shortfall(worth_N, worth_N, 2) == pytest.approx(0)
    assert table._shortfall(-worth_N, worth_N, 2) == pytest.approx(1 - 0.3 / 0.7)
    assert table._shortfall(np.zeros(4), worth_N, 2) == pytest.approx(1 - 0.5 / 0.7)  # chance, on average
    assert table._correlation(np.zeros(4), worth_N) == 0 and table._correlation(worth_N**3, worth_N) == pytest.approx(1)


def test_the_elbo_of_a_line_is_below_its_evidence_and_grows_with_training():
    """On a line with Gaussian noise the evidence is a normal density of the targets."""
    recipe = replace(table.SINE, network=lambda dropout: torch.nn.Linear(1, 1).double(), epochs=200)
    data = table.sine_data(0)
    networks = fit_networks(recipe, data, 0, 1)
    short, long = (
        table.elbo(fit_method(BACKPROP, one, data, 0, networks), one, data)
        for one in (replace(recipe, backprop_steps=5), replace(recipe, backprop_steps=400))
    )
    rows_N_2 = torch.cat([data[0], torch.ones_like(data[0])], dim=1)
    covariance_N_N = rows_N_2 @ rows_N_2.T + table.NOISE**2 * torch.eye(30).double()
    evidence = torch.distributions.MultivariateNormal(torch.zeros(30).double(), covariance_N_N).log_prob(data[1][:, 0])
    assert short < long < evidence + 0.5  # the ELBO is a mean over 200 draws


@pytest.mark.parametrize("task", table.TASKS)
def test_what_is_stored_is_complete(task):
    found = table.stored(FOLDER, task)
    for rows in found["columns"].values():
        assert set(rows) <= set(table.ROWS) and ONE_NETWORK in rows
        assert all(len(value_S) == table.SETS and np.isfinite(value_S).all() for value_S in rows.values())
    if "ruler" in found:
        assert max(found["ruler"]["R-hat"]) < 1.05 and min(found["ruler"]["effective draws"]) > 300
        assert {name: len(losses) for name, losses in found["sweeps"].items()} == {
            name: len(values) for name, (_, values) in table.KNOBS.items()
        }
    else:
        for name, (_, values) in table.GRIDS.items():
            assert found["knobs"][name] == values[np.argmin(found["sweeps"][name])]
