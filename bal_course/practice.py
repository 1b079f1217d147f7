"""The worries of notebook 14, tried out on digits: too little training, wrong answers, when to stop, EPIG.

`python -m bal_course.practice figures/practice` makes the stored results, in some five minutes of one CPU core. Runs that
buy equally many labels are trained side by side as one stack.
Dimensions: N training images, T target images, R rounds, C classes.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bal_course.races import train_together
from bal_course.stored_results import store
from bal_utils.acquisition import (
    bald_scores,
    entropy_scores,
    epig_scores,
    highest_scores,
    margin_scores,
    random_scores,
)
from bal_utils.data import ImageData, balanced_start, load_images, standardise
from bal_utils.models import MLP
from bal_utils.posteriors.mc_dropout import predict_log_probs, sample_log_probs
from bal_utils.records import as_json
from bal_utils.runtime import stream, stream_seed
from bal_utils.training.fit import FitConfig, FitTask, fit, initialised

TRAINING = FitConfig(learning_rate=3e-3, max_epochs=200, stop_on="never")  # 200 steps, each on all labels
SAMPLES = 20
SEEDS = 10
ERROR = 0.2
# log-probabilities of the pool and of the targets -> a score for each image of the pool
SCORES: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "Random": lambda pool, targets, generator: random_scores(len(pool), generator),
    "Margin": lambda pool, targets, generator: margin_scores(pool),
    "Max entropy": lambda pool, targets, generator: entropy_scores(pool),
    "BALD": lambda pool, targets, generator: bald_scores(pool),
    "EPIG": lambda pool, targets, generator: epig_scores(pool, targets),
}


@dataclass(kw_only=True, eq=False)
class Run:
    """One run: what is fixed beforehand, and what has come out so far.

    `told_N` is what the oracle says of each image, true or not; `targets` are the images that EPIG is to inform about, and
    `watched` those held out to see when to stop. Neither is ever bought. The twenty images of the start are told truly.
    """

    strategy: str
    seed: int
    told_N: Tensor
    pool: Sequence[int]
    targets: Sequence[int] = ()
    watched: Sequence[int] = ()
    known: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    right: list[list[int]] = field(default_factory=list)  # R_C: test images of each class that are recognised
    watched_right: list[list[int]] = field(default_factory=list)  # 1 where a watched image is recognised
    nats: list[float] = field(default_factory=list)  # mean BALD score of the pool


def digits_of_practice() -> tuple[ImageData, Tensor, Tensor]:
    """Scikit-learn's digits with standardised inputs: (data, inputs_N, test inputs)."""
    digits = load_images("digits")
    return digits, standardise(digits.train_images), standardise(digits.test_images)


def start_of(seed: int) -> list[int]:
    """Two images of each digit."""
    return balanced_start(load_images("digits").train_labels, 2, stream(seed, "start")).tolist()


def begin(strategy: str, seed: int, *, told_N: Tensor | None = None, pool: Iterable[int] | None = None, **kept) -> Run:
    """A run that has bought nothing yet. By default the oracle tells the truth, and all images may be bought."""
    truth_N, start = load_images("digits").train_labels, start_of(seed)
    told_N = (truth_N if told_N is None else told_N).clone()
    told_N[start] = truth_N[start]
    barred = {*start, *kept.get("targets", ()), *kept.get("watched", ())}
    allowed = range(len(truth_N)) if pool is None else pool
    pool = [place for place in allowed if place not in barred]
    return Run(strategy=strategy, seed=seed, told_N=told_N, pool=pool, known=start, **kept)


def carry_out(runs: Sequence[Run], *, most: int = 100, step: int = 20, training: FitConfig = TRAINING) -> Sequence[Run]:
    """Buys `step` labels a round until each run has `most`. Raises ValueError where `step` does not lead to `most`."""
    if not step >= 1 or (most - len(runs[0].known)) % step:
        raise ValueError(f"step: expected one that leads from {len(runs[0].known)} labels to {most}, got {step}")
    digits, inputs_N, test_inputs = digits_of_practice()
    for number in range((most - len(runs[0].known)) // step + 1):
        tasks = [_task(run, inputs_N, number, training) for run in runs]
        train_together(tasks)
        for run, task in zip(runs, tasks, strict=True):
            _measure(run, task.model, number, digits.test_labels, inputs_N, test_inputs)
            _buy(run, task.model, number, inputs_N, step if len(run.known) < most else 0)
    return runs


def _task(run: Run, inputs_N: Tensor, number: int, training: FitConfig) -> FitTask:
    known, seed = run.known, stream_seed(run.seed, "train", number)
    model = initialised(lambda: MLP(64, 10, hidden=(128,)), stream_seed(run.seed, "weights", number))
    data = {"inputs": inputs_N[known], "labels": run.told_N[known]}
    return FitTask(model=model, validation=(inputs_N[:0], run.told_N[:0]), config=training, seed=seed, **data)


def _measure(run: Run, model, number: int, truth_N: Tensor, inputs_N: Tensor, test_inputs: Tensor) -> None:
    generator = stream(run.seed, "test", number)
    guess_N = predict_log_probs(model, test_inputs, SAMPLES, generator=generator).argmax(dim=1)
    run.labels.append(len(run.known))
    run.right.append(torch.bincount(truth_N[guess_N == truth_N], minlength=10).tolist())
    if run.watched:
        masks = stream(run.seed, "watch", number)
        guess_N = predict_log_probs(model, inputs_N[run.watched], SAMPLES, generator=masks).argmax(dim=1)
        run.watched_right.append((guess_N == run.told_N[run.watched]).int().tolist())


def _buy(run: Run, model, number: int, inputs_N: Tensor, count: int) -> None:
    """Scores the pool and the targets under the same masks, and buys the images of the highest scores."""
    pool, asked = run.pool, [*run.pool, *run.targets]
    log_probs_N_K_C = sample_log_probs(model, inputs_N[asked], SAMPLES, generator=stream(run.seed, "masks", number))
    candidates, targets = log_probs_N_K_C.split([len(pool), len(run.targets)])
    run.nats.append(round(bald_scores(candidates).mean().item(), 4))
    if count:
        score_N = SCORES[run.strategy](candidates, targets, stream(run.seed, "random", number))
        batch = highest_scores(score_N, count, stream(run.seed, "ties", number)).indices
        chosen = [pool[place] for place in batch]
        run.known, bought = run.known + chosen, set(chosen)
        run.pool = [place for place in pool if place not in bought]


def drawn(seed: int, purpose: str, size: int, wanted_N: Tensor | None = None) -> list[int]:
    """Images in random order, outside the start, of those that are wanted."""
    labels_N, start = load_images("digits").train_labels, set(start_of(seed))
    order = torch.randperm(len(labels_N), generator=stream(seed, purpose)).tolist()
    return [place for place in order if place not in start and (wanted_N is None or wanted_N[place])][:size]


def told_blindly(seed: int, time: int = 1, error: float = ERROR) -> Tensor:
    """What an oracle that errs blindly says when it is asked for the time-th time: any other digit, with chance `error`."""
    labels_N = load_images("digits").train_labels
    wrong_N = torch.rand(len(labels_N), generator=stream(seed, "wrong", time)) < error
    shift_N = torch.randint(1, 10, labels_N.shape, generator=stream(seed, "shift", time))
    return torch.where(wrong_N, (labels_N + shift_N) % 10, labels_N)


def told_by_majority(seed: int) -> Tensor:
    """Two answers of the oracle that errs blindly, and a third, which decides, where they differ."""
    one, two, three = (told_blindly(seed, time) for time in (1, 2, 3))
    return torch.where(one == two, one, three)


def told_by_a_model(seed: int, size: int = 60) -> Tensor:
    """What another model says, which learnt from a few images of its own. Asked again, it says the same again."""
    digits, inputs_N, _ = digits_of_practice()
    own = drawn(seed, "the other model's images", size)
    model = initialised(lambda: MLP(64, 10, hidden=(128,)), stream_seed(seed, "the other model"))
    fit(model, inputs_N[own], digits.train_labels[own], config=replace(TRAINING, max_epochs=100), seed=seed)
    told_N = predict_log_probs(model, inputs_N, SAMPLES, generator=stream(seed, "the other model")).argmax(dim=1)
    told_N[own] = digits.train_labels[own]
    return told_N


NEEDED = (3, 5, 8, 9)


def forms(seed: int, size: int = 100) -> list[int]:
    """The targets of EPIG: images of the four digits that stand in the forms."""
    return drawn(seed, "forms", size, torch.isin(load_images("digits").train_labels, torch.tensor(NEEDED)))


THREE = ("Random", "Margin", "BALD")
FOUR = (*THREE, "EPIG")


def _runs(strategies: Iterable[str], seeds: int = SEEDS, **made: Callable[[int], object]) -> list[Run]:
    """Runs of each strategy for each seed; `made` are functions of the seed that make an argument of `begin`."""
    arguments = [{name: make(seed) for name, make in made.items()} for seed in range(seeds)]
    return [begin(name, seed, **arguments[seed]) for name in strategies for seed in range(seeds)]


def _steps(count: int) -> FitConfig:
    return replace(TRAINING, max_epochs=count)


WORLDS: dict[str, Callable[[], Sequence[Run]]] = {
    "clean": lambda: carry_out(_runs(THREE)),
    "steps_25": lambda: carry_out(_runs(THREE), training=_steps(25)),
    "steps_50": lambda: carry_out(_runs(THREE), training=_steps(50)),
    "steps_100": lambda: carry_out(_runs(THREE), training=_steps(100)),
    "steps_400": lambda: carry_out(_runs(THREE), training=_steps(400)),
    "blind": lambda: carry_out(_runs(THREE, told_N=told_blindly)),
    "model": lambda: carry_out(_runs(THREE, told_N=told_by_a_model)),
    "twice": lambda: carry_out(_runs(THREE, told_N=told_by_majority), step=8, most=52),
    "stop": lambda: carry_out(_runs(["BALD"], seeds=20, watched=lambda seed: drawn(seed, "watched", 200)), most=200),
    "forms": lambda: carry_out(_runs(FOUR, targets=forms)),
}


def save(path: Path, runs: Sequence[Run]) -> None:
    """Writes what came out of the runs of a world."""
    kept = ("strategy", "seed", "labels", "right", "watched_right", "nats")
    rows = [{name: getattr(run, name) for name in kept} | {"bought": run.known[run.labels[0] :]} for run in runs]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json({"runs": rows}, name="runs") + "\n", encoding="utf-8")


class Results:
    """The stored runs of a world, by strategy: one row a seed."""

    def __init__(self, path: Path):
        self.rows: dict[str, list[dict]] = {}
        for row in json.loads(Path(path).read_text(encoding="utf-8"))["runs"]:
            self.rows.setdefault(row["strategy"], []).append(row)
        self.labels_R = next(iter(self.rows.values()))[0]["labels"]

    def accuracy(self, digits: Sequence[int] = tuple(range(10))) -> dict[str, np.ndarray]:
        """Strategy -> share of the test images of these digits that are recognised, a row a seed and a column a round."""
        truth_N = load_images("digits").test_labels
        count = torch.isin(truth_N, torch.tensor(digits)).sum().item()
        return {
            name: np.array([row["right"] for row in rows])[..., list(digits)].sum(axis=-1) / count
            for name, rows in self.rows.items()
        }

    def bought(self, counts: Callable[[int], Tensor]) -> dict[str, np.ndarray]:
        """Strategy -> how many of the bought images count, a number a seed; `counts(seed)` says which do, as counts_N."""
        return {
            name: np.array([counts(row["seed"])[row["bought"]].sum().item() for row in rows])
            for name, rows in self.rows.items()
        }


if __name__ == "__main__":
    told = "Tries out the worries of notebook 14 and stores the results."
    store(told, "worlds", WORLDS, lambda path, name: save(path, WORLDS[name]()))
