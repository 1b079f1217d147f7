"""The stored table of notebook 09: what its numbers mean, and that what is stored is complete and from chains that agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import rotate, uniform_filter

from bal_course import posterior_table as table
from bal_course.comparison import BACKPROP, ONE_NETWORK, FittedMethod, fit_method, fit_networks
from bal_utils.data import ImageData
from bal_utils.posteriors.base import Posterior
from bal_utils.runtime import stream

FOLDER = Path(__file__).parents[2] / "figures" / "which_posterior"


@pytest.fixture(scope="module")
def images() -> ImageData:
    """Noise in the form of MNIST, no image twice."""
    g = stream(0, "images")
    pixels = torch.randint(256, (24_000, 1, 28, 28), generator=g, dtype=torch.uint8)
    labels = torch.randint(10, (24_000,), generator=g)
    parts = {"train_images": pixels[:20_000], "train_labels": labels[:20_000]}
    return ImageData(name="noise", **parts, test_images=pixels[20_000:], test_labels=labels[20_000:])


def test_blurring_is_the_mean_of_nine_pixels():
    pixels_N_64 = torch.randn(3, 64, generator=stream(0, "pixels"))
    expected = [uniform_filter(image, 3, mode="nearest") for image in pixels_N_64.reshape(3, 8, 8).numpy()]
    np.testing.assert_allclose(table.blurred(pixels_N_64).reshape(3, 8, 8), expected, atol=1e-6)


def test_shrinking_takes_the_mean_of_four_by_four(images):
    given = images.train_images[:3]
    padded_N_32_32 = np.pad(given[:, 0].numpy().astype(float), ((0, 0), (2, 2), (2, 2)))
    means_N_8_8 = np.array(
        [
            [[one[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].mean() for c in range(8)] for r in range(8)]
            for one in padded_N_32_32
        ]
    )
    np.testing.assert_allclose(table.shrunk(given).reshape(3, 8, 8), (means_N_8_8 / 255 - 0.1307) / 0.3081, atol=1e-12)


def test_turning_is_scipys():
    g = np.random.default_rng(0)
    smooth = uniform_filter(g.uniform(0, 255, (28, 28)), 7)  # what grows between pixels is told from what does not
    image = torch.tensor(np.pad(smooth[6:22, 6:22], 6)).round().to(torch.uint8)[None, None]
    expected = rotate(image[0, 0].double().numpy(), 30, reshape=False, order=1)
    left, right = (table.rotated(image, degrees)[0, 0].double().numpy() for degrees in (30, -30))
    assert np.abs(left - expected).max() <= 1
    assert np.abs(right - expected).max() > 50


def test_data_sets_of_digits_share_no_image_and_hold_out_ten_pairs(images):
    digits, pairs, seen = table.Digits(images), set(), set()
    labels_of = {
        pixels.numpy().tobytes(): label
        for pixels, label in zip(table.shrunk(digits.images_N_1_28_28), digits.labels_N.tolist(), strict=True)
    }
    for run in range(table.SETS):
        task = digits.task(run)
        (inputs, labels), (others, their_labels), test = task.labelled, task.validation, task.test[""]
        assert (len(inputs), len(others), len(test)) == (table.LABELLED, table.VALIDATED, table.TESTED)
        assert {len(shifted) for shifted in task.test.values()} == {len(task.labels_N)} == {table.TESTED}
        known = [row.numpy().tobytes() for row in torch.cat([inputs, others, test])]
        strange = [row.numpy().tobytes() for row in task.strange_N_64]
        held_out = {labels_of[row] for row in strange}
        numbers = {digit: number for number, digit in enumerate(sorted(set(range(10)) - held_out))}
        assert [numbers[labels_of[row]] for row in known] == torch.cat([labels, their_labels, task.labels_N]).tolist()
        assert not seen & {*known, *strange} and len({*known, *strange}) == len(known) + len(strange)
        seen |= {*known, *strange}
        pairs.add(frozenset(held_out))
    assert len(pairs) == table.SETS and all(len(pair) == 2 for pair in pairs)


def test_the_evidence_chooses_among_networks_of_their_own():
    """On a linear model with two classes: the choice is that of the evidence by quadrature on a grid of its weights."""
    g = np.random.default_rng(0)
    inputs_N_1, labels_N = torch.tensor(g.normal(size=(30, 1))), torch.arange(30) % 2
    inputs_N_1 = inputs_N_1 + 2.0 * labels_N[:, None]
    recipe = replace(table.DIGITS, network=lambda dropout: OneLogit().double(), epochs=300, learning_rate=0.1)
    data = inputs_N_1, labels_N
    losses, own, _ = table.by_evidence(recipe, data, 0, table.networks_of_widths(recipe, data, 0))
    grid_G = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    logits_G_N = grid_G[:, None] * (inputs_N_1[:, 0] - 1)
    log_likelihood_G = torch.where(labels_N == 1, logits_G_N, -logits_G_N).sigmoid().log().sum(dim=1)
    for width, loss in zip(table.GRIDS[ONE_NETWORK][1], losses, strict=True):
        log_joint_G = log_likelihood_G + torch.distributions.Normal(0, width).log_prob(grid_G)
        assert loss == pytest.approx(-(log_joint_G.logsumexp(dim=0) + np.log(24 / 4000)).item(), abs=0.2)
    assert own.prior_std == table.GRIDS[ONE_NETWORK][1][int(np.argmin(losses))]


class OneLogit(torch.nn.Linear):
    """Logits (0, w (x - 1)) with one weight w."""

    def __init__(self) -> None:
        super().__init__(1, 1, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits_N_1 = super().forward(inputs - 1)
        return torch.cat([torch.zeros_like(logits_N_1), logits_N_1], dim=1)


def test_the_best_temperature_undoes_a_factor():
    g = stream(0, "logits")
    logits_N_C = 2 * torch.randn(4000, 3, generator=g, dtype=torch.float64)
    labels_N = torch.multinomial(logits_N_C.softmax(dim=1), 1, generator=g)[:, 0]
    fitted = FittedMethod(posterior=_Same(torch.nn.Identity(), 2.0), num_samples=1, gradients=0, passes=1)
    assert table.best_temperature(fitted, (logits_N_C, labels_N)) == pytest.approx(2.0, rel=0.12)


class _Same(Posterior):
    """One sample: the inputs times a factor."""

    def __init__(self, model, factor):
        self.model, self.factor = model, factor

    def sample_outputs(self, inputs, num_samples, *, generator=None):
        return self.factor * inputs[:, None].expand(-1, num_samples, -1)


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
        grids = {name: values for name, (_, values) in table.GRIDS.items()}
        for name, values in (grids | {table.EVIDENCE: grids[ONE_NETWORK]}).items():
            assert found["knobs"][name] == [values[np.argmin(losses_V)] for losses_V in found["sweeps"][name]]
            assert all(len(losses_V) == len(values) for losses_V in found["sweeps"][name])
        assert set(found["columns"]["NLL"]) == set(table.ROWS) - {table.HALVES}
