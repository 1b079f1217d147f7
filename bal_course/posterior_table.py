"""The table of notebook 09: three tasks, every method, many data sets, one ruler.

`python -m bal_course.posterior_table figures/which_posterior` makes the stored results, one file a task, in about eight
minutes of one CPU core; most of it is the ruler and Bayes by Backprop.
Dimensions: N inputs, K samples, C classes, D weights, G places, S data sets or runs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from bal_utils.data import load_images, sine_with_gap, standardise, two_moons
from bal_utils.models import MLP
from bal_utils.posteriors.base import Posterior
from bal_utils.posteriors.dropout_regression import log_likelihood
from bal_utils.posteriors.weights import outputs_with
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
ROWS = (  # of the table
    ONE_NETWORK, TEMPERED, DROPOUT, CUSTOMARY, ENSEMBLE, TWENTY, ANCHORED, SWAG, BACKPROP, LAPLACE_LAST, LAPLACE_ALL,
    HALVES,
)  # fmt: skip
LINE_G_1 = torch.linspace(-4, 4, 81, dtype=torch.float64)[:, None]
IN_GAP_G = ((GAP[0] < LINE_G_1) & (GAP[1] > LINE_G_1))[:, 0]
SIDES = torch.linspace(-4, 5, 46).double(), torch.linspace(-4, 4.5, 46).double()
PLANE_G_2 = torch.stack(torch.meshgrid(*SIDES, indexing="xy"), dim=-1).reshape(-1, 2)
FAR = 1.5  # from every training point


def tanh_network(inputs: int, outputs: int, dropout: float) -> nn.Module:
    """Ten tanh units, in double precision, with weights in units of the fan-in."""
    return nn.Sequential(FanInLinear(inputs, 10), nn.Tanh(), nn.Dropout(dropout), FanInLinear(10, outputs)).double()


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
    network=lambda dropout: MLP(64, 8, hidden=(32,), dropout=dropout),
    batch_size=40, epochs=100, learning_rate=5e-3, backprop_steps=1500, num_samples=50,
)  # fmt: skip
GRIDS = {
    ONE_NETWORK: ("prior_std", (0.25, 0.5, 1.0, 2.0, 4.0)),
    DROPOUT: ("dropout", (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)),
    BACKPROP: ("prior_std", (0.4, 0.8, 1.6, 3.2, 6.4)),
    LAPLACE_LAST: ("prior_std", (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)),
    LAPLACE_ALL: ("prior_std", (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)),
}


def average(posterior: Posterior, inputs: Tensor) -> Tensor:
    """The averaged prediction, log_probs_N_C."""
    return log_mean_exp(posterior.sample_log_probs(inputs), dim=1)


def sine_nll(posterior: Posterior, data: Data) -> float:
    """Minus the log-likelihood of new points, in nats a point."""
    return -log_likelihood(posterior.sample_outputs(data[0])[..., 0], data[1][:, 0], NOISE).mean().item()


def moons_nll(posterior: Posterior, data: Data) -> float:
    """The same for classes."""
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
    sweeps = {name: swept(name, SINE, sine_data, sine_nll) for name in KNOBS}
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
    sweeps = {name: swept(name, MOONS, moons_data, moons_nll) for name in KNOBS}
    data_S = [moons_data(seed) for seed in range(SETS)]
    rulers_S = fit_hmc(MOONS, data_S, **WALKS)
    columns: dict[str, dict[str, list[float]]] = {}
    for seed, (data, ruler) in enumerate(zip(data_S, rulers_S, strict=True)):
        posteriors = fit_everything(MOONS, sweeps, data, seed)
        places = {
            "near": moons_data(200 + seed, 300)[0],
            "far": PLANE_G_2[torch.cdist(PLANE_G_2, data[0]).amin(dim=1) > FAR],
        }
        pool_N_2 = moons_data(300 + seed, 300)[0]
        found = {
            place: {name: _tv(pair) for name, pair in against(posteriors, ruler, inputs).items()}
            for place, inputs in places.items()
        }
        scores = {
            name: [bald_scores(outputs.log_softmax(dim=-1)).numpy() for outputs in pair]
            for name, pair in against(posteriors, ruler, pool_N_2).items()
        }
        found["BALD"] = {name: _correlation(*pair) for name, pair in scores.items()}
        found["regret"] = {name: _shortfall(*pair) for name, pair in scores.items()}
        _note(columns, found)
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


def _tv(pair: Sequence[Tensor]) -> float:
    return total_variation(*(log_mean_exp(outputs.log_softmax(dim=-1), dim=1) for outputs in pair)).mean().item()


def _correlation(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Spearman's, and 0 where all scores are equal: such a method has no order."""
    return float(spearmanr(first_N, second_N).statistic) if np.ptp(first_N) > 1e-9 else 0.0


def _shortfall(chosen_by_N: np.ndarray, worth_N: np.ndarray, count: int = 10) -> float:
    """The share of BALD that is lost by asking for the first inputs of another order instead of the ruler's own."""
    if np.ptp(chosen_by_N) <= 1e-9:  # no order: what a random choice gets on average
        return float(1 - worth_N.mean() * count / np.sort(worth_N)[-count:].sum())
    return float(1 - worth_N[np.argsort(-chosen_by_N)[:count]].sum() / np.sort(worth_N)[-count:].sum())


def _note(columns: dict[str, dict[str, list[float]]], found: dict[str, dict[str, float]]) -> None:
    """Adds what one data set gave to every column and row."""
    for column, rows in found.items():
        for name, value in rows.items():
            columns.setdefault(column, {}).setdefault(name, []).append(value)


class Digits:
    """scikit-learn's digits, 8 x 8 pixels: some set aside to choose by, the others to score on."""

    def __init__(self) -> None:
        images = load_images("digits")
        self.pixels_N_64 = standardise(torch.cat([images.train_images, images.test_images])).flatten(1)
        self.labels_N = torch.cat([images.train_labels, images.test_labels])
        order_N = torch.randperm(len(self.labels_N), generator=stream(0, "digits"))
        self.apart_N, self.scored_N = order_N[:400], order_N[400:]

    def task(self, run: int, places_N: Tensor, num_labels: int = 160) -> tuple[Data, Data, Tensor]:
        """Labelled and test images of eight digits, numbered from 0 to 7, and images of the two that are held out.

        Run r holds out the digits r and r + 1, so that ten runs have ten pairs.
        """
        held_out = torch.tensor([run % 10, (run + 1) % 10])
        numbers_10 = torch.cumsum(~torch.isin(torch.arange(10), held_out), dim=0) - 1
        strange_N = torch.isin(self.labels_N[places_N], held_out)
        known_N = places_N[~strange_N]
        known_N = known_N[torch.randperm(len(known_N), generator=stream(run, "labelled"))]
        classes_N = numbers_10[self.labels_N]
        train, test = ((self.pixels_N_64[n], classes_N[n]) for n in (known_N[:num_labels], known_N[num_labels:]))
        return train, test, self.pixels_N_64[places_N[strange_N]]


def blurred(pixels_N_64: Tensor) -> Tensor:
    """Each pixel replaced by the mean of the nine around it."""
    images_N_1_8_8 = nn.functional.pad(pixels_N_64.reshape(-1, 1, 8, 8), (1, 1, 1, 1), mode="replicate")
    return nn.functional.avg_pool2d(images_N_1_8_8, 3, stride=1).flatten(1)


def chosen_knobs(digits: Digits) -> tuple[dict[str, Recipe], dict[str, list[float]], float]:
    """Recipes with the knob that each method chooses on validation images, the losses of all values, a temperature."""
    training, validation, _ = digits.task(0, digits.apart_N)
    own, sweeps, recipe, networks = {}, {}, DIGITS, None
    for name, (field, values) in GRIDS.items():
        losses = []
        for value in values:
            tried = replace(recipe, **{field: value})
            first = fit_networks(tried, training, APART, 1) if name == ONE_NETWORK else networks
            losses.append(moons_nll(fit_method(name, tried, training, APART, first), validation))
        own[name], sweeps[name] = replace(recipe, **{field: values[int(np.argmin(losses))]}), losses
        if name == ONE_NETWORK:  # the ensemble takes the same, and both Laplaces stand around it
            recipe = own[name]
            networks = fit_networks(recipe, training, APART, 1)
    logits_N_C = networks.sample_outputs(validation[0])[:, 0]
    temperatures = np.geomspace(0.5, 4, 61)
    losses = [negative_log_likelihood((logits_N_C / t).log_softmax(dim=-1), validation[1]) for t in temperatures]
    return own, sweeps, float(temperatures[int(np.argmin(losses))])


def digits() -> dict:
    """Ten runs on digits, two of which are held out as strangers."""
    images = Digits()
    own, sweeps, temperature = chosen_knobs(images)
    recipe, columns, costs = own[ONE_NETWORK], {}, {}
    for run in range(SETS):
        labelled, (test_N_64, labels_N), strangers = images.task(run, images.scored_N)
        networks, names = fit_networks(recipe, labelled, run), [m for m in METHODS if m in GRIDS or m == ENSEMBLE]
        posteriors = {name: fit_method(name, own.get(name, recipe), labelled, run, networks) for name in names}
        asked = (test_N_64, strangers, blurred(test_N_64[:400]))
        found = {name: [p.sample_log_probs(x) for x in asked] for name, p in posteriors.items()}
        found[TEMPERED] = [(log_probs / temperature).log_softmax(dim=-1) for log_probs in found[ONE_NETWORK]]
        scores = {name: _scores(*log_probs, labels_N) for name, log_probs in found.items()}
        _note(columns, {what: {name: s[what] for name, s in scores.items()} for what in scores[ONE_NETWORK]})
        base = posteriors[ONE_NETWORK].gradients
        costs = {name: [p.gradients / base, p.passes] for name, p in posteriors.items()} | {TEMPERED: [1, 1]}
    training = images.task(0, images.apart_N)[0]
    return {
        "knobs": {name: getattr(own[name], GRIDS[name][0]) for name in own},
        "sweeps": sweeps,
        "temperature": temperature,
        "elbo": elbo_twice_as_long(own[BACKPROP], training, APART),
        "columns": columns,
        "costs": costs,
    }


def _scores(familiar_N_K_C: Tensor, strange_N_K_C: Tensor, blurred_N_K_C: Tensor, labels_N: Tensor) -> dict[str, float]:
    mean_N_C, surest_N = log_mean_exp(familiar_N_K_C, dim=1), log_mean_exp(strange_N_K_C, dim=1).exp().amax(dim=1)
    shifted = score(blurred_N_K_C, labels_N[: len(blurred_N_K_C)], strange_N_K_C)
    return score(familiar_N_K_C, labels_N, strange_N_K_C) | {
        "sure strangers": (surest_N > 0.9).double().mean().item(),
        "too sure by": mean_N_C.exp().amax(dim=1).mean().item() - accuracy(mean_N_C, labels_N),
        "NLL, blurred": shifted["NLL"],
        "ECE, blurred": shifted["ECE"],
    }


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
