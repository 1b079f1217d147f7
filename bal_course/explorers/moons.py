"""What the TwoMoons explorers compute: data, networks, samples, scores. Nothing here knows how a picture looks.

Each stage remembers its results and takes only what it depends on: another strategy does not sample anew, another number
of samples does not train anew. Dimensions: P pool points, G places of the map, E test points, K samples, S label sets.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_scenes.base import stage
from bal_scenes.maps import grid
from bal_utils.acquisition import ACQUISITIONS, Candidates, Features, find_strategy
from bal_utils.batchbald import AcquiredBatch
from bal_utils.data import two_moons
from bal_utils.models import MLP, penultimate
from bal_utils.posteriors import ensemble, laplace, mc_dropout
from bal_utils.runtime import stream, stream_seed
from bal_utils.theory.information import expected_entropy, log_mean_exp, predictive_entropy
from bal_utils.training.fit import FitConfig, fit, initialised
from bal_utils.training.stacked import outputs_of, stack, train_stack

PLANE = {"x": (-1.9, 2.9), "y": (-2.0, 2.5)}
COLUMNS, ROWS = 40, 38
NUM_POOL, NUM_TEST = 200, 500
MOST_SAMPLES, MEMBERS = 100, 8
HIDDEN = (32, 32)
PRIOR_STD = 1.5
TRAINING = {"learning_rate": 0.02, "batch_size": NUM_POOL, "max_epochs": 150}
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
def moons(noise: float, seed: int) -> Moons:
    """200 points to ask about and 500 to be judged by."""
    inputs, labels = two_moons(NUM_POOL + NUM_TEST, noise, seed)
    return Moons(inputs[:NUM_POOL], labels[:NUM_POOL], inputs[NUM_POOL:], labels[NUM_POOL:])


@stage
def first_labels(noise: float, seed: int, count: int) -> tuple[int, ...]:
    """Pool points that are labelled at the beginning: one of each class, then others in a random order."""
    labels_P = moons(noise, seed).labels_P
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
    noise, seed, labelled, posterior, dropout = setting
    if not labelled:
        raise ValueError("Nothing is labelled: click a point to give the networks something to learn from.")
    data, chosen = moons(noise, seed), list(labelled)
    inputs, labels = data.pool_P_2[chosen], data.labels_P[chosen]
    places_G_2 = torch.from_numpy(grid(**PLANE, columns=COLUMNS, rows=ROWS))
    everything = torch.cat([places_G_2, data.pool_P_2, data.test_E_2])
    network, predict = METHODS[posterior](inputs, labels, seed, dropout)
    sizes = (len(places_G_2), NUM_POOL, NUM_TEST)
    features = penultimate(network, everything).split(sizes)
    return Samples(*predict(everything).split(sizes), features[0], features[1])


Predict = Callable[[Tensor], Tensor]


def trained(inputs: Tensor, labels: Tensor, seed: int, dropout: float, weight_decay: float = 1e-4) -> nn.Module:
    """One network fitted to all labelled points at once."""
    model = initialised(lambda: MLP(2, 2, hidden=HIDDEN, dropout=dropout), seed)
    fit(model, inputs, labels, config=FitConfig(**TRAINING, weight_decay=weight_decay), seed=seed)
    return model


def _by_dropout(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    model = trained(inputs, labels, seed, dropout)
    return model, lambda places: mc_dropout.sample_log_probs(model, places, MOST_SAMPLES)


def _by_ensemble(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    """Members are trained without dropout."""
    members = ensemble.fit_ensemble(
        lambda: MLP(2, 2, hidden=HIDDEN, dropout=0.0),
        inputs,
        labels,
        num_members=MEMBERS,
        config=FitConfig(**TRAINING, weight_decay=1e-4),
        seed=seed,
    )
    return members.network(0), lambda places: members.sample_log_probs(places)


def _by_laplace(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    """Around a network trained without dropout under the same prior; predictions are linearised."""
    model = trained(inputs, labels, seed, 0.0, weight_decay=1 / (len(inputs) * PRIOR_STD**2))
    found = laplace.fit_network(model, inputs, labels, prior_std=PRIOR_STD)
    return model, lambda places: found.sample_log_probs(places, MOST_SAMPLES)


def _by_one_network(inputs: Tensor, labels: Tensor, seed: int, dropout: float) -> tuple[nn.Module, Predict]:
    model = trained(inputs, labels, seed, 0.0)
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


def accuracy(samples: Samples, noise: float, seed: int) -> float:
    """The share of test points that the averaged prediction gets right."""
    predicted_E = log_mean_exp(samples.test_E_K_C, dim=1).argmax(dim=-1)
    return (predicted_E == moons(noise, seed).test_labels_E).double().mean().item()


@lru_cache(maxsize=512)  # accuracies are single numbers, and a run needs one for each label
def worth(noise: float, seed: int, labelled: tuple[int, ...]) -> float:
    """What a set of labels is worth: the test accuracy of three plain networks trained on it, the same for every posterior."""
    return worths(noise, seed, (labelled,))[0]


@stage
def worths(noise: float, seed: int, sets: Sequence[tuple[int, ...]]) -> tuple[float, ...]:
    """`worth` of S label sets at once: all their networks are trained in one stack."""
    data = moons(noise, seed)
    padded_S_L, share_S_L = padded(sets)
    models = [
        initialised(lambda: MLP(2, 2, hidden=HIDDEN, dropout=0.0), stream_seed(seed, "worth", r)) for r in range(RULERS)
    ]
    chosen, shares = padded_S_L.repeat_interleave(RULERS, 0), share_S_L.repeat_interleave(RULERS, 0)
    predict = train_weighted(models * len(sets), data.pool_P_2[chosen], data.labels_P[chosen], shares)
    log_probs = predict(data.test_E_2.expand(len(chosen), -1, -1))
    mean_S_E_C = log_mean_exp(log_probs.unflatten(0, (len(sets), RULERS)), dim=1)
    return tuple((mean_S_E_C.argmax(dim=-1) == data.test_labels_E).double().mean(dim=1).tolist())


def padded(sets: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """S sets of points as one table, padded_S_L, and the weight of each entry, share_S_L, zero where it only pads."""
    lengths_S_1 = torch.tensor([[len(labelled)] for labelled in sets])
    longest = int(lengths_S_1.max())
    padded_S_L = torch.tensor([[*labelled, *[labelled[0]] * (longest - len(labelled))] for labelled in sets])
    return padded_S_L, (torch.arange(longest) < lengths_S_1) / lengths_S_1


def train_weighted(networks: Sequence[nn.Module], inputs: Tensor, labels: Tensor, shares: Tensor) -> Predict:
    """Trains S networks at once, each on L weighted points of its own; the result maps inputs_S_n_2 to log_probs_S_n_C."""
    model, weights = networks[0].eval(), stack(networks)

    def losses(inputs_S_L_2: Tensor, labels_S_L: Tensor, shares_S_L: Tensor) -> Tensor:
        logits_S_L_C = outputs_of(model, weights, inputs_S_L_2)
        return (F.cross_entropy(logits_S_L_C.mT, labels_S_L, reduction="none") * shares_S_L).sum(dim=1)

    config = FitConfig(**TRAINING, weight_decay=1e-4)
    # a fused step rounds otherwise, by which one accuracy in thirty moves a little
    train_stack(weights, losses, (inputs, labels, shares), config=config, fused=False)
    return lambda places: outputs_of(model, weights, places).detach().log_softmax(dim=-1)


@stage
def random_band(
    noise: float, seed: int, labelled: tuple[int, ...], counts: tuple[int, ...], runs: int = 5
) -> np.ndarray:
    """worths_R_M of `runs` random orders after so many further labels: what not thinking gives."""
    sets = []
    for run in range(runs):
        order = torch.randperm(NUM_POOL, generator=stream(seed, "random run", run)).tolist()
        fresh = [index for index in order if index not in labelled]
        sets += [tuple(sorted((*labelled, *fresh[:count]))) for count in counts]
    return np.array(worths(noise, seed, tuple(sets))).reshape(runs, len(counts))


STRATEGIES = {strategy.title: name for name, strategy in ACQUISITIONS.items()}
