"""What the TwoMoons explorers compute: data, networks, samples, scores. Nothing here knows how a picture looks.

Each stage remembers its results and takes only what it depends on: another strategy does not sample anew, another number
of samples does not train anew. Dimensions: P pool points, G places of the map, E test points, K samples, S label sets.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bal_course.explorers.moons_training import (
    Predict,
    as_network,
    dropout_masks,
    predictor,
    train,
)
from bal_scenes.base import stage
from bal_scenes.maps import grid
from bal_utils.acquisition import ACQUISITIONS, Candidates, Features, find_strategy
from bal_utils.batchbald import AcquiredBatch
from bal_utils.data import two_moons
from bal_utils.models import MLP, penultimate
from bal_utils.posteriors import laplace, mc_dropout
from bal_utils.posteriors.ensemble import member_seed
from bal_utils.runtime import stream, stream_seed
from bal_utils.theory.information import expected_entropy, log_mean_exp, predictive_entropy
from bal_utils.training.fit import initialised

PLANE = {"x": (-1.9, 2.9), "y": (-2.0, 2.5)}
COLUMNS, ROWS = 40, 38
NUM_POOL, NUM_TEST = 200, 500
MOST_SAMPLES, MEMBERS = 100, 8
HIDDEN = (32, 32)
PRIOR_STD = 1.5
RULERS = 3  # networks behind each accuracy
POSTERIORS = ("MC-dropout", "ensemble", "Laplace", "one network")


@dataclass(frozen=True, eq=False)
class Moons:
    """The two classes: a pool to ask from and a test set."""

    pool_P_2: Tensor
    labels_P: Tensor
    test_E_2: Tensor
    test_labels_E: Tensor


@stage
def moons(noise: float, seed: int, data: str = "moons") -> Moons:
    """200 points to ask about and 500 to be judged by: two moons, or another of `DATA`.

    "moons, one wrong label" are the same points, but the oracle errs at the first that is labelled.
    """
    inputs, labels = DATA[data](NUM_POOL + NUM_TEST, noise, seed)
    found = Moons(inputs[:NUM_POOL], labels[:NUM_POOL], inputs[NUM_POOL:], labels[NUM_POOL:])
    if data == WRONG:
        erring = first_labels(noise, seed, 1)
        found.labels_P[list(erring)] = 1 - found.labels_P[list(erring)]
    return found


def _blobs(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two round clouds whose middles are 1.6 apart."""
    labels_N, normal_N_2 = _draws(num_points, seed, "blobs")
    middles_2_2 = torch.tensor([[-0.3, 0.25], [1.3, 0.25]])
    return middles_2_2[labels_N] + (0.25 + noise) * normal_N_2, labels_N


def _xor(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Four quarters of a square, those across from each other of one class."""
    _, normal_N_2 = _draws(num_points, seed, "xor")
    uniform_N_2 = torch.rand(num_points, 2, generator=stream(seed, "xor", 1)) - 0.5
    labels_N = ((uniform_N_2 > 0).sum(dim=1) == 1).long()
    return torch.tensor([0.5, 0.25]) + 2.6 * uniform_N_2 + noise * normal_N_2 / 2, labels_N


def _spiral(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two arms that wind around each other once."""
    labels_N, normal_N_2 = _draws(num_points, seed, "spiral")
    turn_N = torch.rand(num_points, generator=stream(seed, "spiral", 1)).sqrt()
    angle_N = 2 * torch.pi * turn_N + torch.pi * labels_N
    arm_N_2 = 1.7 * turn_N[:, None] * torch.stack([angle_N.cos(), angle_N.sin()], dim=1)
    return torch.tensor([0.5, 0.25]) + arm_N_2 + noise * normal_N_2 / 2, labels_N


def _draws(num_points: int, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Classes of equal size in a random order, and standard normal displacements."""
    labels_N = torch.arange(num_points) % 2
    return labels_N[torch.randperm(num_points, generator=stream(seed, name))], torch.randn(
        num_points, 2, generator=stream(seed, name, 2)
    )


WRONG = "moons, one wrong label"
DATA = {"moons": two_moons, WRONG: two_moons, "blobs": _blobs, "XOR": _xor, "spiral": _spiral}


@stage
def first_labels(noise: float, seed: int, count: int, data: str = "moons") -> tuple[int, ...]:
    """Pool points that are labelled at the beginning: one of each class, then others in a random order."""
    labels_P = moons(noise, seed, "moons" if data == WRONG else data).labels_P
    order = torch.randperm(NUM_POOL, generator=stream(seed, "start")).tolist()
    pair = [next(index for index in order if labels_P[index] == label) for label in (0, 1)]
    return tuple(([*pair, *(index for index in order if index not in pair)])[:count])


class Setting(NamedTuple):
    """All that trained networks depend on."""

    noise: float
    seed: int
    labelled: tuple[int, ...]  # pool points, sorted
    posterior: str
    dropout: float
    data: str = "moons"


@dataclass(frozen=True, eq=False)
class Samples:
    """Predictions of up to K networks, and what enters the last layer of one of them, for the map and the pool."""

    grid_G_K_C: Tensor
    pool_P_K_C: Tensor
    test_E_K_C: Tensor
    grid_features_G_F: Tensor
    pool_features_P_F: Tensor

    def first(self, count: int) -> "Samples":
        """Of the first `count` networks only."""
        parts = (part[:, :count] for part in (self.grid_G_K_C, self.pool_P_K_C, self.test_E_K_C))
        return Samples(*parts, self.grid_features_G_F, self.pool_features_P_F)


@stage
def sample(setting: Setting) -> Samples:
    """Trains on the labelled points and samples as many networks as any picture may need."""
    noise, seed, labelled, posterior, dropout, data_name = setting
    if not labelled:
        raise ValueError("Nothing is labelled: click a point to give the networks something to learn from.")
    data, chosen = moons(noise, seed, data_name), list(labelled)
    inputs, labels = data.pool_P_2[chosen], data.labels_P[chosen]
    places_G_2 = torch.from_numpy(grid(**PLANE, columns=COLUMNS, rows=ROWS))
    everything = torch.cat([places_G_2, data.pool_P_2, data.test_E_2])
    network, predict = METHODS[posterior](inputs, labels, seed, dropout)
    sizes = (len(places_G_2), NUM_POOL, NUM_TEST)
    features = penultimate(network, everything).split(sizes)
    return Samples(*predict(everything).split(sizes), features[0], features[1])


def _trained(
    factory: Callable[[], nn.Module], seeds: Sequence[int], inputs: Tensor, labels: Tensor, **options: Any
) -> tuple[nn.Module, list[Tensor]]:
    """Networks fitted to all labelled points, from initial weights of their own; the first also as a module."""
    networks = [initialised(factory, seed) for seed in seeds]
    spread = (part.expand(len(seeds), *part.shape) for part in (inputs, labels))
    layers = train(networks, *spread, torch.full((len(seeds), len(labels)), 1 / len(labels)), **options)
    return as_network(networks[0], layers), layers


def _network(dropout: float = 0.0) -> MLP:
    return MLP(2, 2, hidden=HIDDEN, dropout=dropout)


def trained(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> nn.Module:
    """One network fitted to all labelled points at once, with dropout."""
    masks = dropout_masks(len(labels), HIDDEN, dropout, seed)
    return _trained(lambda: _network(dropout), [seed], inputs, labels, masks_T_2_L_H=masks)[0]


def _by_dropout(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    model = trained(inputs, labels, seed, dropout)
    if dropout == 0:
        return model, lambda places: mc_dropout.deterministic_log_probs(model, places).expand(-1, MOST_SAMPLES, -1)
    return model, lambda places: mc_dropout.sample_log_probs(model, places, MOST_SAMPLES)


def _by_ensemble(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    """Members are trained without dropout."""
    model, layers = _trained(_network, [member_seed(seed, m) for m in range(MEMBERS)], inputs, labels)
    return model, lambda places: predictor(layers)(places.expand(MEMBERS, -1, -1)).transpose(0, 1)


def _by_laplace(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    """Around a network trained without dropout under the same prior; predictions are linearised."""
    model, _ = _trained(_network, [seed], inputs, labels, weight_decay=1 / (len(inputs) * PRIOR_STD**2))
    found = laplace.fit_network(model, inputs, labels, prior_std=PRIOR_STD)
    return model, lambda places: found.sample_log_probs(places, MOST_SAMPLES)


def _by_one_network(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    model, _ = _trained(_network, [seed], inputs, labels)
    return model, lambda places: mc_dropout.deterministic_log_probs(model, places)


METHODS = dict(zip(POSTERIORS, (_by_dropout, _by_ensemble, _by_laplace, _by_one_network), strict=True))


def surface(strategy: str, samples: Samples, labelled: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """The strategy's score of every place of the map: values_R_C. Random has none, BatchBALD shows that of its first pick.

    It is the score that the batch is chosen by: targets are the unlabelled points, with the seed's draw from them.
    """
    score = find_strategy(strategy).score
    if score is None:
        return np.zeros((ROWS, COLUMNS), dtype=np.float32)
    left = _unlabelled(labelled) or list(range(NUM_POOL))  # a map needs targets even where nothing is left to ask
    pool = _candidates(samples.pool_P_K_C, left, labelled, samples.pool_features_P_F)
    places = _candidates(samples.grid_G_K_C, slice(None), (), samples.grid_features_G_F)
    return score(places, pool, stream(seed, "choices", len(labelled))).reshape(ROWS, COLUMNS).numpy()


@stage
def score_map(setting: Setting, count: int, strategy: str) -> np.ndarray:
    """The scores of the map's places, values_R_C."""
    return surface(strategy, sample(setting).first(count), setting.labelled, setting.seed)


@stage
def term_maps(setting: Setting, count: int) -> np.ndarray:
    """All doubt, noise and what a label teaches, in nats, and the probability of class 1: maps_4_R_C."""
    log_probs_G_K_C = sample(setting).first(count).grid_G_K_C
    total_G, noise_G = predictive_entropy(log_probs_G_K_C), expected_entropy(log_probs_G_K_C)
    probs_G = log_probs_G_K_C[..., 1].exp().mean(dim=1)
    return np.stack([part.reshape(ROWS, COLUMNS).numpy() for part in (total_G, noise_G, total_G - noise_G, probs_G)])


@stage
def pool_terms(setting: Setting, count: int) -> np.ndarray:
    """Noise and what a label teaches, in nats, and the probability of class 1, of the pool's points: terms_3_P."""
    log_probs_P_K_C = sample(setting).first(count).pool_P_K_C
    noise_P = expected_entropy(log_probs_P_K_C)
    taught_P = (predictive_entropy(log_probs_P_K_C) - noise_P).clamp(min=0)
    return torch.stack([noise_P, taught_P, log_probs_P_K_C[..., 1].exp().mean(dim=1)]).numpy()


def _unlabelled(labelled: tuple[int, ...]) -> list[int]:
    """Pool points that have no label."""
    taken = set(labelled)
    return [index for index in range(NUM_POOL) if index not in taken]


def _candidates(log_probs: Tensor, chosen: Any, labelled: tuple[int, ...], features: Tensor | None) -> Candidates:
    """The `chosen` of all inputs as strategies see them, beside those that are labelled."""
    describe = None if features is None else lambda: Features(features[chosen], features[list(labelled)])
    return Candidates(len(log_probs[chosen]), lambda: log_probs[chosen], describe)


def next_batch(strategy: str, samples: Samples, labelled: tuple[int, ...], batch: int, seed: int) -> AcquiredBatch:
    """What the strategy would ask for now, as places in the pool; fewer than `batch` where fewer are left."""
    return choose_batch(strategy, samples.pool_P_K_C, labelled, batch, seed, samples.pool_features_P_F)


def choose_batch(
    strategy: str,
    log_probs_P_K_C: Tensor,
    labelled: tuple[int, ...],
    batch: int,
    seed: int,
    features: Tensor | None = None,
) -> AcquiredBatch:
    """`next_batch` from predictions for the whole pool; features are for the strategies that want them."""
    left = _unlabelled(labelled)
    if not left:
        return AcquiredBatch(indices=[], scores=[])
    pool = _candidates(log_probs_P_K_C, left, labelled, features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # BatchBALD with few samples: the status line tells their number
        found = find_strategy(strategy).select(pool, min(batch, len(left)), stream(seed, "choices", len(labelled)))
    return AcquiredBatch(indices=[left[index] for index in found.indices], scores=found.scores)


def accuracy(samples: Samples, noise: float, seed: int, data: str = "moons") -> float:
    """The share of test points that the averaged prediction gets right."""
    predicted_E = log_mean_exp(samples.test_E_K_C, dim=1).argmax(dim=-1)
    return (predicted_E == moons(noise, seed, data).test_labels_E).double().mean().item()


def worth(noise: float, seed: int, labelled: tuple[int, ...], data: str = "moons") -> float:
    """What a set of labels is worth: the test accuracy of three plain networks trained on it, the same for every posterior."""
    return worths(noise, seed, (labelled,), data)[0]


KNOWN_WORTHS: dict[tuple, float] = {}  # single numbers, of which a run needs one for each label


def worths(noise: float, seed: int, sets: Sequence[tuple[int, ...]], data: str = "moons") -> tuple[float, ...]:
    """`worth` of S label sets; those that are not yet known are trained in one stack."""
    keys = [(noise, seed, data, labelled) for labelled in sets]
    if missing := list({key: None for key in keys if key not in KNOWN_WORTHS}):
        KNOWN_WORTHS.update(zip(missing, _measured(noise, seed, [key[-1] for key in missing], data), strict=True))
    return tuple(KNOWN_WORTHS[key] for key in keys)


def _measured(noise: float, seed: int, sets: Sequence[tuple[int, ...]], data: str) -> list[float]:
    found = moons(noise, seed, data)
    padded_S_L, share_S_L = padded(sets)
    rulers = [initialised(_network, stream_seed(seed, "worth", r)) for r in range(RULERS)]
    chosen, shares = padded_S_L.repeat_interleave(RULERS, 0), share_S_L.repeat_interleave(RULERS, 0)
    predict = train_weighted(rulers * len(sets), found.pool_P_2[chosen], found.labels_P[chosen], shares)
    log_probs = predict(found.test_E_2.expand(len(chosen), -1, -1))
    mean_S_E_C = log_mean_exp(log_probs.unflatten(0, (len(sets), RULERS)), dim=1)
    return (mean_S_E_C.argmax(dim=-1) == found.test_labels_E).double().mean(dim=1).tolist()


def padded(sets: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """S sets of points as one table, padded_S_L, and the weight of each entry, share_S_L, zero where it only pads.

    Its width is a multiple of 32: a set gets the same sums, to the last digit, whatever stands beside it.
    """
    lengths_S_1 = torch.tensor([[len(labelled)] for labelled in sets])
    width = 32 * math.ceil(int(lengths_S_1.max()) / 32)
    padded_S_L = torch.tensor([[*labelled, *[labelled[0]] * (width - len(labelled))] for labelled in sets])
    return padded_S_L, (torch.arange(width) < lengths_S_1) / lengths_S_1


def train_weighted(networks: Sequence[nn.Module], inputs: Tensor, labels: Tensor, shares: Tensor) -> Predict:
    """Trains S networks at once, each on L weighted points of its own; the result maps inputs_S_n_2 to log_probs_S_n_C."""
    return predictor(train(networks, inputs, labels, shares))


@stage
def random_band(
    noise: float, seed: int, labelled: tuple[int, ...], counts: tuple[int, ...], runs: int = 5, data: str = "moons"
) -> np.ndarray:
    """worths_R_M of `runs` random orders after so many further labels: what not thinking gives."""
    sets = []
    for run in range(runs):
        order = torch.randperm(NUM_POOL, generator=stream(seed, "random run", run)).tolist()
        fresh = [index for index in order if index not in labelled]
        sets += [tuple(sorted((*labelled, *fresh[:count]))) for count in counts]
    return np.array(worths(noise, seed, tuple(sets), data)).reshape(runs, len(counts))


STRATEGIES = {strategy.title: name for name, strategy in ACQUISITIONS.items()}
