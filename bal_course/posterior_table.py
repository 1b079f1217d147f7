"""The table of notebook 09: three tasks, every method, many data sets, one ruler.

`python -m bal_course.posterior_table figures/which_posterior` makes the stored results, one file a task. Most of the time goes
to the ruler and to Bayes by Backprop; the digits alone, for which MNIST is needed, take five minutes of one CPU core.
Dimensions: N inputs, K samples, C classes, D weights, G places, S data sets or runs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from bal_course.comparison import (
    ANCHORED,
    BACKPROP,
    DROPOUT,
    ENSEMBLE,
    HMC,
    LAPLACE_ALL,
    LAPLACE_LAST,
    METHODS,
    ONE_NETWORK,
    SWAG,
    Data,
    FanInLinear,
    FittedMethod,
    Recipe,
    Ruler,
    committee_of,
    fit_dropout,
    fit_hmc,
    fit_method,
    fit_networks,
    score,
    total_variation,
    wasserstein_1,
)
from bal_course.stored_results import store
from bal_utils.acquisition import bald_scores
from bal_utils.data import ImageData, load_mnist, sine_with_gap, two_moons
from bal_utils.data.images import PIXEL_MEAN, PIXEL_STD
from bal_utils.posteriors import laplace
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.dropout_regression import log_likelihood
from bal_utils.posteriors.weights import WeightSamples, outputs_with
from bal_utils.records import as_json
from bal_utils.runtime import stream
from bal_utils.theory.divergence import diagonal_gaussian_kl
from bal_utils.theory.information import log_mean_exp
from bal_utils.theory.metrics import accuracy, negative_log_likelihood

SETS, APART = 10, 100
WALKS = {"num_chains": 16, "num_samples": 40, "thinning": 5, "warmup": 300, "steps": 24}
DRAWS = WALKS["num_chains"] * WALKS["num_samples"]
MEMBERS = 20  # a posterior with at most so many samples has no others
NOISE, GAP = 0.3, (0.0, 2.5)
KNOBS = {  # of methods whose width no prior fixes; the lists begin with one network
    DROPOUT: ("dropout", (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)),
    SWAG: ("swag_rate", (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
}
CUSTOMARY, TWENTY = "MC-dropout, drop 0.1", "deep ensemble, 20"
HALVES, TEMPERED = "half the chains", "one network, temperature scaled"
EVIDENCE = "Laplace, all weights, evidence"  # which chooses the prior of the network and of the curvature
ROWS = (  # of the table
    ONE_NETWORK, TEMPERED, DROPOUT, CUSTOMARY, ENSEMBLE, TWENTY, ANCHORED, SWAG, BACKPROP, LAPLACE_LAST, LAPLACE_ALL,
    EVIDENCE, HALVES,
)  # fmt: skip
LABELLED, VALIDATED, TESTED, STRANGE = 160, 200, 1000, 400  # images of digits in a data set
TURN = 30  # degrees, of the rotated test images
LINE_G_1 = torch.linspace(-4, 4, 81, dtype=torch.float64)[:, None]
IN_GAP_G = ((GAP[0] < LINE_G_1) & (GAP[1] > LINE_G_1))[:, 0]
SIDES = torch.linspace(-4, 5, 46).double(), torch.linspace(-4, 4.5, 46).double()
PLANE_G_2 = torch.stack(torch.meshgrid(*SIDES, indexing="xy"), dim=-1).reshape(-1, 2)
FAR = 1.5  # from every training point


def tanh_network(inputs: int, outputs: int, dropout: float) -> nn.Module:
    """Ten tanh units, in double precision, with weights in units of the fan-in."""
    return nn.Sequential(FanInLinear(inputs, 10), nn.Tanh(), nn.Dropout(dropout), FanInLinear(10, outputs)).double()


def digit_network(dropout: float) -> nn.Module:
    """Sixteen rectified units on 64 pixels, eight classes, weights in units of the fan-in."""
    return nn.Sequential(FanInLinear(64, 16), nn.ReLU(), nn.Dropout(dropout), FanInLinear(16, 8)).double()


def sine_data(seed: int, num_points: int = 30) -> Data:
    """Points of a sine with noise, none in the gap."""
    return tuple(column.double() for column in sine_with_gap(num_points, NOISE, seed, gap=GAP))


def moons_data(seed: int, num_points: int = 40) -> Data:
    """Two moons, in double precision."""
    points_N_2, labels_N = two_moons(num_points, 0.2, seed)
    return points_N_2.double(), labels_N


SINE = Recipe(
    network=partial(tanh_network, 1, 1), prior_std=1.5, noise_std=NOISE, batch_size=30, learning_rate=3e-2,
    backprop_steps=1500,
)  # fmt: skip
MOONS = Recipe(network=partial(tanh_network, 2, 2), prior_std=3, batch_size=40, learning_rate=3e-2, backprop_steps=1500)
DIGITS = Recipe(
    network=digit_network,
    batch_size=40, epochs=100, learning_rate=3e-2, swag_batch=40, backprop_steps=1500, num_samples=50,
)  # fmt: skip
GRIDS = {  # the one network first: the other methods begin at it
    ONE_NETWORK: ("prior_std", (1.0, 2.0, 4.0, 8.0, 16.0)),
    DROPOUT: ("dropout", (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)),
    ANCHORED: ("prior_std", (1.0, 2.0, 4.0, 8.0)),
    SWAG: ("swag_rate", (0.0, 0.01, 0.1, 0.3, 1.0, 3.0)),
    BACKPROP: ("prior_std", (2.0, 4.0, 8.0)),
    LAPLACE_LAST: ("prior_std", (0.001, 0.03, 0.1, 0.3, 1.0, 3.0)),
    LAPLACE_ALL: ("prior_std", (0.001, 0.03, 0.1, 0.3, 1.0, 3.0)),
}
TRIED = {ANCHORED: {"anchored_members": 5}, BACKPROP: {"backprop_steps": 500}}  # with less of it while a knob is chosen
TEMPERATURES = np.geomspace(0.5, 4, 61)


def average(posterior: Posterior, inputs: Tensor) -> Tensor:
    """The averaged prediction, log_probs_N_C."""
    return log_mean_exp(posterior.sample_log_probs(inputs), dim=1)


def line_nll(posterior: Posterior, data: Data) -> float:
    """Minus the log-likelihood of new points, in nats a point."""
    return -log_likelihood(posterior.sample_outputs(data[0])[..., 0], data[1][:, 0], NOISE).mean().item()


def class_nll(posterior: Posterior, data: Data) -> float:
    """The same for classes, of moons or of digits."""
    return negative_log_likelihood(average(posterior, data[0]), data[1])


def draws_of(posterior: FittedMethod, inputs: Tensor, count: int = DRAWS) -> Tensor:
    """outputs_N_K_C. One that has only a few members has no more draws: each stands for its share of them."""
    if posterior.num_samples > MEMBERS:
        return posterior.sample_outputs(inputs, count)
    return posterior.sample_outputs(inputs).repeat_interleave(count // posterior.num_samples, dim=1)


def swept(
    name: str, recipe: Recipe, data_of: Callable[..., Data], misfit: Callable[[Posterior, Data], float]
) -> list[float]:
    """The loss on fresh data for every value of a method's knob, the mean over five data sets that are never scored."""
    (field, values), fresh, losses_S_V = KNOBS[name], data_of(APART + 50, 500), []
    for seed in range(APART, APART + 5):
        data = data_of(seed)
        networks = fit_networks(recipe, data, seed, 1)
        tried = (replace(recipe, **{field: value}) for value in values)
        losses_S_V.append([misfit(fit_method(name, one, data, seed, networks), fresh) for one in tried])
    return np.mean(losses_S_V, axis=0).tolist()


def with_knobs(recipe: Recipe, sweeps: Mapping[str, Sequence[float]]) -> dict[str, Recipe]:
    """For every method with a knob the recipe with its best value."""
    return {
        name: replace(recipe, **{KNOBS[name][0]: KNOBS[name][1][int(np.argmin(losses_V))]})
        for name, losses_V in sweeps.items()
    }


def fit_everything(
    recipe: Recipe, sweeps: Mapping[str, Sequence[float]], data: Data, seed: int
) -> dict[str, FittedMethod]:
    """All methods but the ruler: dropout as validated and as is customary, ensembles of five and of twenty."""
    networks, own = fit_networks(recipe, data, seed, 20), with_knobs(recipe, sweeps)
    found = {name: fit_method(name, own.get(name, recipe), data, seed, networks) for name in METHODS if name != HMC}
    found[CUSTOMARY] = fit_dropout(replace(recipe, dropout=0.1), data, seed)
    found[TWENTY] = committee_of(recipe, networks, len(data[0]), 20)
    return found


def state_of(rulers: Sequence[Ruler], inputs: Tensor) -> dict:
    """Whether the chains agree: the worst R-hat and the fewest effective draws over the inputs, a number a data set."""
    pairs = [ruler.agreement(inputs) for ruler in rulers]
    return {
        "R-hat": [r_hat_N.max().item() for r_hat_N, _ in pairs],
        "median R-hat": [r_hat_N.median().item() for r_hat_N, _ in pairs],
        "effective draws": [count_N.min().item() for _, count_N in pairs],
        "accepted": [ruler.accepted_H.mean().item() for ruler in rulers],
        "gradients": rulers[0].gradients,
    }


def elbo(fitted: FittedMethod, recipe: Recipe, data: Data, num_draws: int = 200) -> float:
    """The ELBO of Bayes by Backprop in nats, its expectation over `num_draws` draws."""
    q = fitted.posterior
    weights_K_D = q.draw(num_draws, generator=stream(0, "elbo")).weights_K_D
    with torch.no_grad():
        outputs_K_N = outputs_with(q.model, weights_K_D, data[0])
    fit = torch.stack([recipe.log_likelihood(outputs_N, data[1]) for outputs_N in outputs_K_N]).mean()
    kl = diagonal_gaussian_kl(q.mean_D, q.std_D, torch.zeros_like(q.mean_D), torch.full_like(q.std_D, recipe.prior_std))
    return (fit - kl).item()


def elbo_twice_as_long(recipe: Recipe, data: Data, seed: int) -> list[float]:
    """The ELBO after the recipe's steps, and after twice as many."""
    networks = fit_networks(recipe, data, seed, 1)
    longer = replace(recipe, backprop_steps=2 * recipe.backprop_steps)
    return [elbo(fit_method(BACKPROP, one, data, seed, networks), one, data) for one in (recipe, longer)]


def line_distances(draws: dict[str, tuple[Tensor, Tensor]]) -> dict[str, dict[str, float]]:
    """Distances of outputs_G_K to the ruler's, of the whole line and of the gap: of the deviations, and of Wasserstein."""
    everywhere_G = torch.ones_like(IN_GAP_G)
    found: dict[str, dict[str, float]] = {}
    for name, (first_G_K, second_G_K) in draws.items():
        width_G = (first_G_K.std(dim=1) - second_G_K.std(dim=1)).abs()
        distance_G = wasserstein_1(first_G_K, second_G_K)
        for place, inside_G in (("line", everywhere_G), ("gap", IN_GAP_G)):
            found.setdefault(f"sd, {place}", {})[name] = width_G[inside_G].mean().item()
            found.setdefault(f"Wasserstein, {place}", {})[name] = distance_G[inside_G].mean().item()
    return found


def against(posteriors: dict[str, FittedMethod], ruler: Ruler, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """For every method its draws and the ruler's, outputs_N_K_C; and those of the two halves of the chains."""
    gold_N_K_C = ruler.sample_outputs(inputs)
    pairs = {name: (draws_of(posterior, inputs), gold_N_K_C) for name, posterior in posteriors.items()}
    return pairs | {HALVES: tuple(half.sample_outputs(inputs) for half in ruler.halves)}


def line() -> dict:
    """Ten sines with a gap."""
    sweeps = {name: swept(name, SINE, sine_data, line_nll) for name in KNOBS}
    data_S = [sine_data(seed) for seed in range(SETS)]
    rulers_S = fit_hmc(SINE, data_S, **WALKS)
    columns: dict[str, dict[str, list[float]]] = {}
    for seed, (data, ruler) in enumerate(zip(data_S, rulers_S, strict=True)):
        pairs = against(fit_everything(SINE, sweeps, data, seed), ruler, LINE_G_1)
        _note(columns, line_distances({name: (a[..., 0], b[..., 0]) for name, (a, b) in pairs.items()}))
    gold_G_K = rulers_S[0].sample_outputs(LINE_G_1)[..., 0].sort(dim=1).values
    return {
        "sweeps": sweeps,
        "elbo": elbo_twice_as_long(SINE, data_S[0], 0),
        "ruler": state_of(rulers_S, LINE_G_1[::4]),
        "columns": columns,
        "first ruler": gold_G_K.reshape(len(gold_G_K), -1, 16).mean(dim=2).numpy().round(3).tolist(),
    }


def moons() -> dict:
    """Ten pairs of moons: distances near and far, and the order in which BALD would buy a pool."""
    sweeps = {name: swept(name, MOONS, moons_data, class_nll) for name in KNOBS}
    data_S = [moons_data(seed) for seed in range(SETS)]
    rulers_S = fit_hmc(MOONS, data_S, **WALKS)
    columns: dict[str, dict[str, list[float]]] = {}
    for seed, (data, ruler) in enumerate(zip(data_S, rulers_S, strict=True)):
        posteriors = fit_everything(MOONS, sweeps, data, seed)
        places = {
            "near": moons_data(200 + seed, 300)[0],
            "far": PLANE_G_2[torch.cdist(PLANE_G_2, data[0]).amin(dim=1) > FAR],
        }
        distances = {
            place: {name: _tv(pair) for name, pair in against(posteriors, ruler, inputs).items()}
            for place, inputs in places.items()
        }
        _note(columns, distances | bald_orders(posteriors, ruler, moons_data(300 + seed, 300)[0]))
    first = log_mean_exp(rulers_S[0].sample_log_probs(PLANE_G_2), dim=1)[:, 1].exp().reshape(46, 46)
    return {
        "sweeps": sweeps,
        "elbo": elbo_twice_as_long(MOONS, data_S[0], 0),
        "ruler": state_of(rulers_S, moons_data(APART)[0]),
        "ruler far": state_of(rulers_S, PLANE_G_2[::100]),
        "columns": columns,
        "training": rulers_S[0].gradients / (MOONS.epochs * 40),
        "first ruler": first.numpy().round(3).tolist(),
    }


def bald_orders(posteriors: dict[str, FittedMethod], ruler: Ruler, pool: Tensor) -> dict[str, dict[str, float]]:
    """How like the ruler's every method's BALD scores of a pool are, and what is lost by buying in their order."""
    scores = {
        name: [bald_scores(outputs.log_softmax(dim=-1)).numpy() for outputs in pair]
        for name, pair in against(posteriors, ruler, pool).items()
    }
    return {
        "BALD": {name: _correlation(*pair) for name, pair in scores.items()},
        "regret": {name: _shortfall(*pair) for name, pair in scores.items()},
    }


def _tv(pair: Sequence[Tensor]) -> float:
    """The total variation between two averaged predictions, the mean over the inputs."""
    return total_variation(*(log_mean_exp(outputs.log_softmax(dim=-1), dim=1) for outputs in pair)).mean().item()


def _correlation(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Spearman's, and 0 where all scores are equal: such a method has no order."""
    return float(spearmanr(first_N, second_N).statistic) if np.ptp(first_N) > 1e-9 else 0.0


def _shortfall(chosen_by_N: np.ndarray, worth_N: np.ndarray, count: int = 10) -> float:
    """The share of BALD that is lost by asking for the first inputs of another order instead of the ruler's own."""
    if np.ptp(chosen_by_N) <= 1e-9:  # no order: what a random choice gets on average
        return float(1 - worth_N.mean() * count / np.sort(worth_N)[-count:].sum())
    return float(1 - worth_N[np.argsort(-chosen_by_N)[:count]].sum() / np.sort(worth_N)[-count:].sum())


def _note(columns: dict[str, dict[str, list]], found: dict[str, dict[str, Any]]) -> None:
    """Adds what one data set gave to every column and row."""
    for column, rows in found.items():
        for name, value in rows.items():
            columns.setdefault(column, {}).setdefault(name, []).append(value)


class DigitTask(NamedTuple):
    """One data set of digits: what is trained on, what knobs are chosen by, and test images as they are and shifted."""

    labelled: Data
    validation: Data
    test: dict[str, Tensor]  # a name of SHIFTS -> pixels_N_64
    labels_N: Tensor
    strange_N_64: Tensor


class Digits:
    """MNIST in the form of scikit-learn's digits, 8 x 8 pixels, dealt out to data sets that have no image in common."""

    def __init__(self, images: ImageData) -> None:
        self.images_N_1_28_28 = torch.cat([images.train_images, images.test_images])
        self.labels_N = torch.cat([images.train_labels, images.test_labels])
        self.shares = torch.randperm(len(self.labels_N), generator=stream(0, "digits")).chunk(SETS)

    def task(self, run: int) -> DigitTask:
        """Images of eight digits, numbered from 0 to 7, and of the two held out: r and r + 1, ten pairs in ten runs."""
        places_N = self.shares[run]
        strange_N = torch.isin(self.labels_N[places_N], torch.tensor([run % 10, (run + 1) % 10]))
        numbers_10 = torch.zeros(10, dtype=torch.long)
        numbers_10[self.labels_N[places_N[~strange_N]].unique()] = torch.arange(8)
        known = places_N[~strange_N][: LABELLED + VALIDATED + TESTED].split([LABELLED, VALIDATED, TESTED])
        labelled, validation, (_, labels_N) = (
            (shrunk(self.images_N_1_28_28[places_n]), numbers_10[self.labels_N[places_n]]) for places_n in known
        )
        test = {name: shift(self.images_N_1_28_28[known[2]]) for name, shift in SHIFTS.items()}
        strange_N_64 = shrunk(self.images_N_1_28_28[places_N[strange_N][:STRANGE]])
        return DigitTask(labelled, validation, test, labels_N, strange_N_64)


def shrunk(images_N_1_28_28: Tensor) -> Tensor:
    """uint8 images with a rim of two pixels, then the mean of each 4 x 4 pixels, standardised: pixels_N_64."""
    padded_N_1_32_32 = nn.functional.pad(images_N_1_28_28.double() / 255, (2, 2, 2, 2))
    return (nn.functional.avg_pool2d(padded_N_1_32_32, 4).flatten(1) - PIXEL_MEAN) / PIXEL_STD


def rotated(images_N_1_28_28: Tensor, degrees: float = TURN) -> Tensor:
    """uint8 images turned counterclockwise around their middle, between pixels by bilinear interpolation."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    back_N_2_3 = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(images_N_1_28_28), 2, 3)
    grid = nn.functional.affine_grid(back_N_2_3, list(images_N_1_28_28.shape), align_corners=False)
    turned = nn.functional.grid_sample(images_N_1_28_28.double(), grid.double(), align_corners=False)
    return turned.round().clamp(0, 255).to(torch.uint8)


def blurred(pixels_N_64: Tensor) -> Tensor:
    """Each pixel replaced by the mean of the nine around it."""
    images_N_1_8_8 = nn.functional.pad(pixels_N_64.reshape(-1, 1, 8, 8), (1, 1, 1, 1), mode="replicate")
    return nn.functional.avg_pool2d(images_N_1_8_8, 3, stride=1).flatten(1)


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {  # images -> pixels_N_64
    "": shrunk,
    ", rotated": lambda images: shrunk(rotated(images)),
    ", blurred": lambda images: blurred(shrunk(images)),
}


def networks_of_widths(recipe: Recipe, labelled: Data, run: int) -> list[WeightSamples]:
    """One network for every width of its own prior, in the order of the grid."""
    return [fit_networks(replace(recipe, prior_std=width), labelled, run, 1) for width in GRIDS[ONE_NETWORK][1]]


def validated(
    name: str, recipe: Recipe, task: DigitTask, run: int, networks_V: Sequence[WeightSamples]
) -> tuple[list[float], Recipe, FittedMethod]:
    """The loss on the validation images for every value of a method's knob; the recipe and the posterior of the best.

    `networks_V` are the networks that the method begins at, for each value its own.
    """
    (field, values), tried, losses = GRIDS[name], [], []
    for value, around in zip(values, networks_V, strict=True):
        one = replace(recipe, **{field: value})
        tried.append((one, around, fit_method(name, replace(one, **TRIED.get(name, {})), task.labelled, run, around)))
        losses.append(class_nll(tried[-1][-1], task.validation))
    own, around, fitted = tried[int(np.argmin(losses))]
    return losses, own, fit_method(name, own, task.labelled, run, around) if name in TRIED else fitted


def best_temperature(network: FittedMethod, validation: Data) -> float:
    """The temperature at which the logits of one network predict the validation images best."""
    logits_N_C = network.sample_outputs(validation[0])[:, 0]
    losses_T = [negative_log_likelihood((logits_N_C / t).log_softmax(dim=-1), validation[1]) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses_T))])


def by_evidence(
    recipe: Recipe, labelled: Data, run: int, networks_V: Sequence[WeightSamples]
) -> tuple[list[float], Recipe, FittedMethod]:
    """Laplace at every width of the network's own prior: minus the log evidence of each; the recipe and posterior of the best.

    Each width has the network that was trained with it, one of `networks_of_widths`, and no image is held back.
    """
    tried = []
    for width, around in zip(GRIDS[ONE_NETWORK][1], networks_V, strict=True):
        one = replace(recipe, prior_std=width)
        fitted = fit_method(LAPLACE_ALL, one, labelled, run, around)
        tried.append((-laplace.log_evidence(fitted.posterior, *labelled, prior_std=width), one, fitted))
    losses = [loss for loss, _, _ in tried]
    return losses, *tried[int(np.argmin(losses))][1:]


def fit_digits(task: DigitTask, run: int) -> tuple[dict[str, FittedMethod], dict[str, float], dict[str, list[float]]]:
    """All methods but the temperature, each with the knob that its data set chose; the knobs, and what they were chosen by."""
    data, found, knobs, sweeps = task.labelled, {}, {}, {}
    of_widths = networks_of_widths(DIGITS, data, run)
    sweeps[ONE_NETWORK], recipe, found[ONE_NETWORK] = validated(ONE_NETWORK, DIGITS, task, run, of_widths)
    knobs[ONE_NETWORK] = recipe.prior_std
    # the ensembles take its width; SWAG, Bayes by Backprop and Laplace begin at its weights
    networks = fit_networks(recipe, data, run, 20)
    for name, (field, values) in list(GRIDS.items())[1:]:
        sweeps[name], own, found[name] = validated(name, recipe, task, run, [networks] * len(values))
        knobs[name] = getattr(own, field)
    for name, count in ((ENSEMBLE, recipe.num_members), (TWENTY, 20)):
        found[name] = committee_of(recipe, networks, len(data[0]), count)
    found[CUSTOMARY] = fit_dropout(replace(recipe, dropout=0.1), data, run)
    sweeps[EVIDENCE], own, found[EVIDENCE] = by_evidence(recipe, data, run, of_widths)
    return found, knobs | {EVIDENCE: own.prior_std}, sweeps


def digits() -> dict:
    """Data sets of digits that share no image; two digits of each are held out as strangers."""
    images = Digits(load_mnist())
    columns, choices, costs = {}, {}, {}
    for run in range(SETS):
        task = images.task(run)
        posteriors, chosen, losses = fit_digits(task, run)
        chosen[TEMPERED] = best_temperature(posteriors[ONE_NETWORK], task.validation)
        asked = (*task.test.values(), task.strange_N_64)
        found = {name: [p.sample_log_probs(x) for x in asked] for name, p in posteriors.items()}
        found[TEMPERED] = [(lp / chosen[TEMPERED]).log_softmax(dim=-1) for lp in found[ONE_NETWORK]]
        scores = {name: _scores(log_probs, task.labels_N) for name, log_probs in found.items()}
        _note(columns, {what: {name: s[what] for name, s in scores.items()} for what in scores[ONE_NETWORK]})
        _note(choices, {"knobs": chosen, "sweeps": losses})
        base = posteriors[ONE_NETWORK].gradients
        costs = {name: [p.gradients / base, p.passes] for name, p in posteriors.items()} | {TEMPERED: [1, 1]}
    start = replace(DIGITS, prior_std=choices["knobs"][BACKPROP][0])
    return {
        **choices,
        "elbo": elbo_twice_as_long(start, images.task(0).labelled, 0),
        "columns": columns,
        "costs": costs,
    }


def _scores(log_probs: Sequence[Tensor], labels_N: Tensor) -> dict[str, float]:
    *tests_N_K_C, strange_N_K_C = log_probs
    surest_N = log_mean_exp(strange_N_K_C, dim=1).exp().amax(dim=1)
    found = {"sure strangers": (surest_N > 0.9).double().mean().item()}
    for shift, test_N_K_C in zip(SHIFTS, tests_N_K_C, strict=True):
        of_test = score(test_N_K_C, labels_N, strange_N_K_C)
        found |= {f"{what}{shift}": of_test[what] for what in ("NLL", "ECE")}
        found[f"accuracy{shift}"] = accuracy(log_mean_exp(test_N_K_C, dim=1), labels_N)
        if not shift:
            found |= {what: of_test[what] for what in ("Brier", "AUROC")}
    return found


TASKS: dict[str, Callable[[], dict]] = {"line": line, "moons": moons, "digits": digits}


def stored(folder: Path | str, task: str) -> dict:
    """The stored results of a task; columns hold arrays with a number a data set."""
    found = json.loads((Path(folder) / f"{task}.json").read_text(encoding="utf-8"))
    found["columns"] = {
        column: {name: np.array(values_S) for name, values_S in rows.items()}
        for column, rows in found["columns"].items()
    }
    return found


def _write(path: Path, task: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(TASKS[task](), name=task) + "\n", encoding="utf-8")


if __name__ == "__main__":
    store("Computes the table of notebook 09 and stores it.", "tasks", TASKS, _write)
