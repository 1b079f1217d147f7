"""The race of notebook 10: strategies on four pools of digits, all runs of a pool side by side.

`python -m bal_course.races figures/strategies` makes the stored results, in some minutes of one CPU core. The runs
of a round differ in their labels and first weights only, so that their networks are trained as one stack.
Dimensions: N inputs, S seeds, R rounds.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bal_course.stored_results import store
from bal_utils.acquisition import k_center_greedy, probcover_batch
from bal_utils.active_learning import MODELS, Loop, LoopConfig
from bal_utils.data import ImageData, load_images, standardise
from bal_utils.models import MLP
from bal_utils.records import as_json
from bal_utils.runtime import stream, stream_seed
from bal_utils.training.fit import FitConfig, FitTask, global_randomness, initialised
from bal_utils.training.stacked import outputs_of, stack, train_stack

# configurations name their network: importing this module makes this one known to the loop
MODELS["digits_mlp"] = lambda data: MLP(64, data.num_classes, hidden=(128,))
# two hundred steps on all labels: with more of them the test accuracy changes by less than its noise, with fifty it is lower
TRAINING = FitConfig(learning_rate=3e-3, batch_size=100, max_epochs=200, stop_on="never")
# nothing stops early, so that no labels are needed for validation; the loop holds back one picture nevertheless
CONFIG = LoopConfig(model="digits_mlp", labels=100, validation_size=1, fit=TRAINING)
RACERS = {
    "Random": {"strategy": "random"},
    "Margin, one network": {"strategy": "margin", "posterior": "deterministic"},
    "Margin": {"strategy": "margin"},
    "Max entropy": {"strategy": "entropy"},
    "Vote entropy": {"strategy": "vote_entropy"},
    "BALD": {"strategy": "bald"},
    "EPIG": {"strategy": "epig"},
    "Expected error reduction": {"strategy": "error_reduction"},
    "Expected gradient length": {"strategy": "gradient_length"},
    "BADGE": {"strategy": "badge"},
    "Core-set": {"strategy": "core_set"},
    "ProbCover": {"strategy": "probcover"},
}


class Pool(NamedTuple):
    """Pictures to ask from, and which of them are no digits."""

    data: ImageData
    odd_N: Tensor


def clean() -> Pool:
    """Scikit-learn's digits as they are."""
    digits = load_images("digits")
    return Pool(digits, torch.zeros(len(digits.train_labels), dtype=torch.bool))


def scanner(share: float = 0.3) -> Pool:
    """The digits from a scanner that fails: three in ten have their pixels shuffled, and their labels are guessed."""
    digits, size = load_images("digits"), len(load_images("digits").train_labels)
    odd_N = torch.rand(size, generator=stream(0, "spoiled")) < share
    order_N_64 = torch.rand(size, 64, generator=stream(0, "shuffled")).argsort(dim=1)
    shuffled = digits.train_images.flatten(1).gather(1, order_N_64).view_as(digits.train_images)
    guesses_N = torch.randint(10, (size,), generator=stream(0, "guesses"))
    return Pool(_with(digits, "digits from a broken scanner", odd_N, shuffled, guesses_N), odd_N)


def coins() -> Pool:
    """Half of the pictures are a blot between 3 and 8, and whoever labels one tosses a coin."""
    return _blots("digits and coins", (3, 8))


def dice() -> Pool:
    """Half of the pictures are a blot that could be any digit, and whoever labels one rolls a die of ten sides."""
    return _blots("digits and dice", range(10))


def _blots(name: str, classes: Sequence[int], *, share: float = 0.5, noise: float = 12.0) -> Pool:
    """Digits, a share of them replaced by the mean picture of some classes, each copy with grain of its own."""
    digits, size = load_images("digits"), len(load_images("digits").train_labels)
    odd_N = torch.rand(size, generator=stream(0, "blots")) < share
    pixels, labels_N = digits.train_images.double(), digits.train_labels
    blot = torch.stack([pixels[labels_N == label].mean(dim=0) for label in classes]).mean(dim=0)
    grain = noise * torch.randn(pixels.shape, generator=stream(0, "grain"), dtype=torch.float64)
    blots = (blot + grain).round().clamp(0, 255).to(digits.train_images.dtype)
    drawn_N = torch.randint(len(classes), (size,), generator=stream(0, "drawn labels"))
    return Pool(_with(digits, name, odd_N, blots, torch.tensor(list(classes))[drawn_N]), odd_N)


def _with(digits: ImageData, name: str, odd_N: Tensor, images: Tensor, labels_N: Tensor) -> ImageData:
    """The digits with other pictures and labels where `odd_N` says."""
    return replace(
        digits,
        name=name,
        train_images=torch.where(odd_N[:, None, None, None], images, digits.train_images),
        train_labels=torch.where(odd_N, labels_N, digits.train_labels),
    )


POOLS: dict[str, Callable[[], Pool]] = {"clean": clean, "scanner": scanner, "coins": coins, "dice": dice}


class Result(NamedTuple):
    """Test accuracy after each round, and the share of odd pictures among all that was bought until then."""

    accuracy_S_R: np.ndarray
    odd_S_R: np.ndarray


def race(
    pool: Pool, racers: Iterable[str], seeds: Sequence[int], config: LoopConfig = CONFIG
) -> tuple[list[int], dict[str, Result]]:
    """Runs the racers on a pool for each seed: the numbers of labels, and each racer's result.

    All runs of one seed start from the same labels, and their networks of a round from the same weights.
    Raises ValueError, listing the known, for another racer.
    """
    racers = list(racers)
    for name in racers:
        if name not in RACERS:
            raise ValueError(f"racers: expected some of {', '.join(RACERS)}, got {name!r}")
    loops = [
        Loop(replace(config, seed=seed, **RACERS[name]), pool.data, device="cpu") for name in racers for seed in seeds
    ]
    labels, accuracies, odd = [], [], []
    while not labels or labels[-1] < config.labels:
        number = len(labels)
        labels.append(len(loops[0].split.labelled))
        tasks = [loop.fit_task(number) for loop in loops]
        train_together(tasks)
        accuracies.append(
            [loop.measure(task.model, number)["accuracy"] for loop, task in zip(loops, tasks, strict=True)]
        )
        for loop, task in zip(loops, tasks, strict=True):
            loop.acquire(task.model, number)
        odd.append([_odd_share(pool, loop) for loop in loops])
    tables = (np.array(part).T.reshape(len(racers), len(seeds), len(labels)) for part in (accuracies, odd))
    return labels, {name: Result(*parts) for name, *parts in zip(racers, *tables, strict=True)}


def _odd_share(pool: Pool, loop: Loop) -> float:
    """The share of odd pictures among those that a run has bought."""
    bought = loop.split.labelled[len(loop.record["start"]) :]
    return pool.odd_N[bought].double().mean().item()


def train_together(tasks: Sequence[FitTask]) -> None:
    """Trains networks of one architecture on equally many labels each, every step on all of them; they share `config`.

    As `fit` does where a batch holds all labels and nothing stops early, but for the dropout masks that are drawn.
    """
    networks, config = [task.model.train() for task in tasks], tasks[0].config
    weights = stack(networks)

    def losses(inputs_M_L: Tensor, labels_M_L: Tensor) -> Tensor:
        logits_M_L_C = outputs_of(networks[0], weights, inputs_M_L)
        return F.cross_entropy(logits_M_L_C.mT, labels_M_L, reduction="none").mean(dim=1)

    data = (torch.stack([task.inputs for task in tasks]), torch.stack([task.labels for task in tasks]))
    with global_randomness(stream_seed(tasks[0].seed, "dropout"), torch.device("cpu")):
        train_stack(weights, losses, data, config=config)
    for m, network in enumerate(networks):
        network.load_state_dict({name: part_M[m].detach() for name, part_M in weights.items()})
        network.eval()


def _outlying(pixels_N_F: Tensor, size: int, seed: int) -> list[int]:
    """The first of the pool, which stands in random order, and then k-center from it."""
    return [0, *(1 + place for place in k_center_greedy(pixels_N_F[1:], pixels_N_F[:1], size - 1).indices)]


def _covering(pixels_N_F: Tensor, size: int, seed: int) -> list[int]:
    return probcover_batch(pixels_N_F, pixels_N_F[:0], size, stream(seed, "ties")).indices


FIRST: dict[str, Callable[[Tensor, int, int], list[int]]] = {
    "Random": lambda pixels_N_F, size, seed: list(range(size)),
    "Core-set": _outlying,
    "ProbCover": _covering,
}


def cold_start(name: str, size: int, seeds: Sequence[int], *, pool_size: int = 700) -> np.ndarray:
    """Test accuracy_S after the first `size` labels, chosen by their pixels from a pool of digits drawn for each seed.

    `name` is one of `FIRST`. Raises ValueError where it is not.
    """
    if name not in FIRST:
        raise ValueError(f"name: expected one of {', '.join(FIRST)}, got {name!r}")
    digits, tasks = load_images("digits"), []
    inputs_N, test_inputs_N = standardise(digits.train_images), standardise(digits.test_images)
    for seed in seeds:
        pool = torch.randperm(len(inputs_N), generator=stream(seed, "pool"))[:pool_size]
        chosen = pool[FIRST[name](inputs_N[pool].flatten(1), size, seed)]
        network = initialised(lambda: MODELS[CONFIG.model](digits), stream_seed(seed, "weights"))
        known = inputs_N[chosen], digits.train_labels[chosen]
        tasks.append(
            FitTask(model=network, inputs=known[0], labels=known[1], validation=known, config=TRAINING, seed=seed)
        )
    train_together(tasks)
    with torch.no_grad():
        right = [
            (task.model(test_inputs_N).argmax(dim=1) == digits.test_labels).double().mean().item() for task in tasks
        ]
    return np.array(right)


def save(path: Path, labels: list[int], results: dict[str, Result]) -> None:
    """Writes what came out, rounded to four digits."""
    rounded = {
        name: {part: np.round(values, 4).tolist() for part, values in result._asdict().items()}
        for name, result in results.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json({"labels": labels, "results": rounded}, name="race") + "\n", encoding="utf-8")


def load(path: Path) -> tuple[list[int], dict[str, Result]]:
    """What `save` wrote."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["labels"], {
        name: Result(*(np.array(values) for values in parts.values())) for name, parts in stored["results"].items()
    }


FULL = {"racers": list(RACERS), "seeds": range(6), "config": CONFIG}
FEW = {
    "racers": ["Random", "Max entropy", "Margin", "BALD"],
    "seeds": range(10),
    "config": replace(CONFIG, batch_size=5, labels=70),
}
RACES: dict[str, dict] = {"clean": FULL, "scanner": FULL, "coins": FEW, "dice": FEW}


if __name__ == "__main__":
    told = "Races strategies on four pools of digits and stores the results."
    store(told, "pools", RACES, lambda path, name: save(path, *race(POOLS[name](), **RACES[name])))
