"""The loop: train on what is labelled, score what is not, ask for labels, record; again.

First what decides a run (`LoopConfig`, `PROTOCOLS`), then which images are labelled (`Split`), then the run (`Loop`).
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from bal_utils.acquisition import Candidates, Features, find_strategy
from bal_utils.checks import check_whole
from bal_utils.data import ImageData, balanced_start, standardise, unit_pixels
from bal_utils.models import MLP, GalCNN, KirschCNN, glorot_uniform, penultimate
from bal_utils.posteriors.mc_dropout import deterministic_log_probs, fresh_log_probs, sample_log_probs
from bal_utils.records import as_json, load_run, save_run
from bal_utils.runtime import Scale, choose_device, describe_machine, stream, stream_seed
from bal_utils.theory import metrics
from bal_utils.theory.information import log_mean_exp
from bal_utils.training.fit import FitConfig, FitTask, initialised


def _gal_cnn_3x3(data: ImageData) -> GalCNN:
    return GalCNN(data.num_classes, image_size=data.train_images.shape[-1], kernel_size=3)


# what a configuration can name: networks with new weights, made to fit the data ...
MODELS: dict[str, Callable[[ImageData], nn.Module]] = {
    "mlp": lambda data: MLP(data.train_images[0].numel(), data.num_classes, hidden=(256, 256)),
    "gal_cnn": lambda data: GalCNN(data.num_classes, image_size=data.train_images.shape[-1]),
    "gal_cnn_3x3": lambda data: glorot_uniform(_gal_cnn_3x3(data), as_keras_2016=True),
    "gal_cnn_3x3_glorot": lambda data: glorot_uniform(_gal_cnn_3x3(data)),
    "kirsch_cnn": lambda data: KirschCNN(data.num_classes, image_size=data.train_images.shape[-1]),
}
# ... and predictions: (model, inputs, num_samples, *, generator) -> log_probs_N_K_C
POSTERIORS: dict[str, Callable[..., Tensor]] = {
    "mc_dropout": sample_log_probs,
    "mc_dropout_fresh": fresh_log_probs,
    "deterministic": lambda model, inputs, num_samples, *, generator: deterministic_log_probs(model, inputs),
}
# of the weights while images are scored, by device; elsewhere float32. On a GPU half the memory to move, and products are
# rounded to as many bits as the TF32 of training
SCORING_DTYPES = {"cuda": torch.float16}


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """All that decides a run.

    Two runs with equal configurations on the same data and CPU give the same record. A GPU adds up in another order each time.
    """

    strategy: str = "bald"  # a name in acquisition.ACQUISITIONS
    batch_size: int = 10  # labels asked for in each round
    labels: int = 120  # stop once this many are labelled
    initial_per_class: int = 2  # of each class, drawn anew for each seed
    start: tuple[int, ...] | None = None  # or these places in the training set
    validation_size: int = 1024  # labelled images held back to stop training early; never counted in `labels`
    candidates: int | None = None  # score only so many images of the pool, drawn anew in each round; by default all
    model: str = "kirsch_cnn"  # a name in MODELS, trained from new weights in each round
    posterior: str = "mc_dropout"  # a name in POSTERIORS
    num_samples: int = 20  # K, posterior samples behind each score
    test_samples: int = 20  # posterior samples averaged for each test prediction
    test_posterior: str | None = None  # what predicts the test set; by default `posterior`
    pixels: Literal["unit"] | None = None  # "unit": x / 255; by default standardised as by `data.standardise`
    fit: FitConfig = field(default_factory=FitConfig)
    scale: Scale = "lecture"  # where these numbers come from: a note for the record, which the loop does not read
    seed: int = 0

    def __post_init__(self):
        find_strategy(self.strategy)
        for name, known in (("model", MODELS), ("posterior", POSTERIORS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.test_posterior not in (None, *POSTERIORS):
            raise ValueError(f"test_posterior: expected one of {', '.join(POSTERIORS)}, got {self.test_posterior!r}")
        if self.pixels not in (None, "unit"):
            raise ValueError(f"pixels: expected 'unit' or None, got {self.pixels!r}")
        counts = ["batch_size", "labels", "initial_per_class", "validation_size", "num_samples", "test_samples"]
        if self.candidates is not None:
            counts.append("candidates")
        plain = {name: check_whole(name, getattr(self, name), at_least=1) for name in counts}
        plain["seed"] = check_whole("seed", self.seed)
        if self.start is not None:
            plain["start"] = tuple(check_whole("start", place) for place in self.start)
        for name, value in plain.items():
            object.__setattr__(self, name, value)  # NumPy's whole numbers as Python's own, which JSON knows
        if self.candidates is not None and self.candidates < self.batch_size:
            raise ValueError(f"candidates: expected at least batch_size = {self.batch_size}, got {self.candidates!r}")


def loop_config(scale: Scale, **changes) -> LoopConfig:
    """The protocol at one of the two scales, with changes.

    "paper" is that of Kirsch et al. 2019 (arXiv:1906.08158, section 4.1): 100 samples, epochs of 5,056 draws, patience 3.
    "lecture" keeps the network, the pool and the test set, and takes fewer samples and shorter epochs; these stop on the
    accuracy, because with few steps the loss turns up long before the accuracy does.
    """
    if scale == "paper":
        config = LoopConfig(
            scale="paper", num_samples=100, test_samples=100, labels=300, fit=FitConfig(epoch_samples=5056)
        )
    else:
        shorter = FitConfig(epoch_samples=1024, max_epochs=20, patience=5, stop_on="accuracy")
        config = LoopConfig(fit=shorter)
    return replace(config, **changes)


def _hundred_a_round(**fit) -> LoopConfig:
    return loop_config(
        "paper", model="gal_cnn", num_samples=10, test_samples=10, batch_size=100, labels=1020, fit=FitConfig(**fit)
    )


# the twenty images of MNIST, two a class, that the published runs of Kirsch et al. 2019 start from (their logs)
KIRSCH_START = (
    38043, 40091, 17418, 2094, 39879, 3133, 5011, 40683, 54379, 24287,
    9849, 59305, 39508, 39356, 8758, 52579, 13655, 7636, 21562, 41329,
)  # fmt: skip

PROTOCOLS: dict[str, LoopConfig] = {
    # Kirsch et al. 2019 (arXiv:1906.08158, section 4.1), from the twenty images of their logs
    "kirsch2019": loop_config("paper", start=KIRSCH_START),
    # Gal, Islam & Ghahramani 2017 (arXiv:1703.02910, section 5.1) as its text describes the experiment; the text leaves the
    # end of training open: here it is that of 2019
    "gal2017-as-written": loop_config("paper", model="gal_cnn", validation_size=100, labels=1020),
    # The experiment whose mean curves cross 10 % and 5 % error where the table of 2017 says, as its set-up file and scripts
    # describe it (github.com/Riashat/Active-Learning-Bayesian-Convolutional-Neural-Networks, N=1000, Q=5), with the first
    # weights of the Keras whose interface they use. There an image stays in the pool once it is labelled; here it leaves it.
    "gal2017-as-found": LoopConfig(
        scale="paper",
        initial_per_class=10,
        batch_size=5,
        labels=1000,
        candidates=1000,
        validation_size=2000,
        model="gal_cnn_3x3",
        pixels="unit",
        posterior="mc_dropout_fresh",
        num_samples=100,
        test_samples=1,
        test_posterior="deterministic",
        fit=FitConfig(batch_size=128, max_epochs=50, stop_on="never", dense_penalty=10.0),
    ),
    # A hundred labels a round with ten samples, the setting of a public course report. Training ends with the validation loss …
    "hundred-a-round": _hundred_a_round(epoch_samples=5056),
    # … or after 600 steps, whatever the number of labels, with a quarter of the penalty of 2017 on the dense layer
    "hundred-a-round-fixed-steps": _hundred_a_round(
        epoch_samples=6400, max_epochs=6, stop_on="never", dense_penalty=2.5
    ),
}


class Split:
    """Which training images are labelled, held back for validation, or still in the pool. The three are disjoint."""

    def __init__(self, data: ImageData, config: LoopConfig):
        size = len(data.train_labels)
        self.labelled = _first_labelled(config, data.train_labels)
        first = set(self.labelled)
        shuffled = torch.randperm(size, generator=stream(config.seed, "validation")).tolist()
        self.validation = [index for index in shuffled if index not in first][: config.validation_size]
        taken = first.union(self.validation)
        self.pool = [index for index in range(size) if index not in taken]
        if config.validation_size > size - len(first):
            raise ValueError(
                f"validation_size: expected at most {size - len(first)}, the training images that are not labelled first, "
                f"got {config.validation_size}"
            )
        if config.labels < len(first):
            raise ValueError(f"labels: expected at least the {len(first)} first labels, got {config.labels}")
        if config.labels > size - len(self.validation):
            raise ValueError(
                f"labels: expected at most {size - len(self.validation)} (all but validation_size), got {config.labels}"
            )

    def acquire(self, indices: list[int]) -> None:
        """Moves images, named by their place in the training set, from the pool to the labelled ones, in that order."""
        wanted = set(indices)
        if len(wanted) != len(indices) or not wanted.issubset(self.pool):
            raise ValueError(f"indices: expected different images of the pool, got {indices}")
        self.labelled += indices
        self.pool = [index for index in self.pool if index not in wanted]


def _first_labelled(config: LoopConfig, labels_N: Tensor) -> list[int]:
    """The places that were chosen, else some of each class. Raises ValueError where they are not different places."""
    if config.start is None:
        return balanced_start(labels_N, config.initial_per_class, stream(config.seed, "start")).tolist()
    if len(set(config.start)) != len(config.start) or not set(config.start).issubset(range(len(labels_N))):
        raise ValueError(f"start: expected different places from 0 to {len(labels_N) - 1}, got {list(config.start)}")
    return list(config.start)


def run_active_learning(
    config: LoopConfig,
    data: ImageData,
    *,
    path: str | Path | None = None,
    device: str | None = None,
    progress: bool = True,
) -> dict:
    """Runs the loop and returns its record: the configuration, the machine, and one entry a round.

    An entry holds `labels` (in the training set when measured), `accuracy`, `nll`, `epochs`, `acquired` (places in the
    training set), their `scores`, and `seconds`. With `path`, the record is saved there after each round; a record found
    there is continued from its last round, and ends as an uninterrupted run would, but for `seconds` and `machine`. It may
    have stopped at fewer `labels`. Raises ValueError where that record was made with another configuration otherwise, or
    with other data; the file is left as it is.
    """
    loop = Loop(config, data, path=path, device=device)
    with closing(loop.rounds(progress)) as tasks:
        for task in tasks:
            task.fit()
    return loop.record


class Loop:
    """A run under way: its record, its split, and the steps of a round.

    Where `path` holds a record, its acquisitions are repeated on the split first, and the run goes on behind them. `number`
    counts the rounds from 0: what is random in a round has streams of its own, named by purpose and by this number.
    `split` replaces the one that the configuration draws. Raises ValueError as `run_active_learning`.
    """

    def __init__(
        self,
        config: LoopConfig,
        data: ImageData,
        *,
        split: Split | None = None,
        path: str | Path | None = None,
        device: str | None = None,
    ):
        self.config, self.data, self.path = config, data, path
        self.device = choose_device(device)
        self.split = split or Split(data, config)
        self.record = _open_record(config, data, self.split, path)
        self.record["machine"] = describe_machine(self.device)

    def rounds(self, progress: bool = False) -> Iterator[FitTask]:
        """Adds the rounds that the record lacks.

        Yields what each needs trained. The caller trains it, in whichever way, and asks for the next: then this one is
        measured, labels are bought, and the record is saved.
        """
        record, config, labelled = self.record, self.config, len(self.split.labelled)
        look = {"desc": config.strategy, "unit": "label", "disable": not progress}
        with tqdm(total=config.labels, initial=labelled, **look) as bar:
            while not is_finished(record, config):
                number, clock = len(record["rounds"]), [time.perf_counter()]
                task = self.fit_task(number)
                yield task
                clock.append(time.perf_counter())
                task.model.to(self._scoring_dtype)  # nobody trains it any further
                entry = {"labels": len(self.split.labelled), "epochs": task.epochs}
                entry |= self.measure(task.model, number)
                clock.append(time.perf_counter())
                entry |= self.acquire(task.model, number)
                clock.append(time.perf_counter())
                lasted = [round(end - start, 3) for start, end in pairwise(clock)]
                entry["seconds"] = dict(zip(("train", "evaluate", "acquire"), lasted, strict=True))
                record["rounds"].append(entry)
                if self.path is not None:
                    save_run(self.path, record)
                bar.update(len(entry["acquired"]))
                bar.set_postfix(accuracy=f"{entry['accuracy']:.3f}")

    def fit_task(self, number: int) -> FitTask:
        """The training of one round: its first weights differ by round and by seed."""
        inputs_N, labels_N = self._training_set
        labelled, held_back = self.split.labelled, self.split.validation
        factory, seed = MODELS[self.config.model], self.config.seed
        model = initialised(lambda: factory(self.data), stream_seed(seed, "weights", number))
        return FitTask(
            model=model.to(self.device),
            inputs=inputs_N[labelled],
            labels=labels_N[labelled],
            validation=(inputs_N[held_back], labels_N[held_back]),
            config=self.config.fit,
            seed=stream_seed(seed, "train", number),
        )

    @property
    def _scoring_dtype(self) -> torch.dtype:
        rounded = self.config.fit.precision == "bfloat16"
        return torch.bfloat16 if rounded else SCORING_DTYPES.get(self.device.type, torch.float32)

    def fit_network(self, number: int) -> nn.Module:
        """The network of one round, trained on what is labelled now."""
        task = self.fit_task(number)
        task.fit()
        return task.model

    def measure(self, model: nn.Module, number: int) -> dict:
        """Accuracy and negative log-likelihood on the test set, of the mean prediction over `test_samples` samples."""
        inputs_N, labels_N = self._test_set
        sample = POSTERIORS[self.config.test_posterior or self.config.posterior]
        masks = stream(self.config.seed, "test", number)
        log_probs_N_K_C = sample(model, _like_weights(inputs_N, model), self.config.test_samples, generator=masks)
        log_probs_N_C = log_mean_exp(log_probs_N_K_C, dim=1)
        return {
            "accuracy": metrics.accuracy(log_probs_N_C, labels_N),
            "nll": metrics.negative_log_likelihood(log_probs_N_C, labels_N),
        }

    def acquire(self, model: nn.Module, number: int) -> dict:
        """Lets the strategy choose a batch from the pool, or from `candidates` images of it, and labels it.

        Nothing is chosen once all labels are there.
        """
        config, split = self.config, self.split
        wanted = min(config.batch_size, config.labels - len(split.labelled))
        if wanted == 0:
            return {"acquired": [], "scores": []}
        sample, masks = POSTERIORS[config.posterior], stream(config.seed, "masks", number)
        places = self._candidates(number)

        def images(places: list[int]) -> Tensor:
            return _like_weights(self._training_set[0][places], model)

        def features(places: list[int]) -> Tensor:
            return penultimate(model, images(places)).float()

        pool = Candidates(
            len(places),
            lambda: sample(model, images(places), config.num_samples, generator=masks),
            lambda: Features(features(places), features(split.labelled)),
        )
        batch = find_strategy(config.strategy).select(pool, wanted, stream(config.seed, "choices", number))
        acquired = [places[index] for index in batch.indices]
        split.acquire(acquired)
        return {"acquired": acquired, "scores": [round(score, 6) for score in batch.scores]}

    def _candidates(self, number: int) -> list[int]:
        """The pool, or as many of its images as `candidates` says."""
        pool, size = self.split.pool, self.config.candidates
        if size is None:
            return pool
        shuffled = torch.randperm(len(pool), generator=stream(self.config.seed, "candidates", number))
        return [pool[index] for index in shuffled[:size].tolist()]

    @cached_property
    def _training_set(self) -> tuple[Tensor, Tensor]:
        """Inputs and labels on the device, made when first needed: a run may wait long for its turn."""
        return self._on_device(self.data.train_images, self.data.train_labels)

    @cached_property
    def _test_set(self) -> tuple[Tensor, Tensor]:
        return self._on_device(self.data.test_images, self.data.test_labels)

    def _on_device(self, images: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
        pixels = unit_pixels if self.config.pixels == "unit" else standardise
        return pixels(images).to(self.device), labels_N.to(self.device)


def _like_weights(inputs_N: Tensor, model: nn.Module) -> Tensor:
    """The inputs in the precision of the network."""
    return inputs_N.to(next(model.parameters()).dtype)


def is_finished(record: dict, config: LoopConfig) -> bool:
    """Whether the last round was measured with all labels."""
    return bool(record["rounds"]) and record["rounds"][-1]["labels"] >= config.labels


def _open_record(config: LoopConfig, data: ImageData, split: Split, path: str | Path | None) -> dict:
    """A new record, or the one at `path`, whose acquisitions are then repeated on `split`."""
    new = {
        "config": in_json(config),
        "data": {"name": data.name, "is_stand_in": data.is_stand_in, "train": len(data.train_labels)},
        "start": list(split.labelled),
        "rounds": [],
    }
    if path is None or not Path(path).exists():
        return new
    old = load_run(path)
    _lengthen(old, new["config"])
    for part in ("config", "data", "start"):
        if old.get(part) != new[part]:
            raise ValueError(f"path: {path} holds a run with another {part}: {old.get(part)} instead of {new[part]}")
    for entry in old["rounds"]:
        split.acquire(entry["acquired"])
    return old


def in_json(config: LoopConfig) -> dict:
    """The configuration as it stands in a record. What is not set is left out: records may be older than a setting."""

    def chosen(settings: list[tuple]) -> dict:
        return {name: value for name, value in settings if value is not None}

    return json.loads(as_json(asdict(config, dict_factory=chosen), name="config"))


def _lengthen(record: dict, config: dict) -> None:
    """Makes `record`, where it is a run that was to end at fewer labels, one to be continued with `config`.

    The batch it acquired last may have been cut short by its end, and is chosen again.
    """
    old = record.get("config", {})
    if old | {"labels": config["labels"]} == config and old["labels"] < config["labels"]:
        record["config"] = config
        while record["rounds"] and len(record["rounds"][-1]["acquired"]) < config["batch_size"]:
            record["rounds"].pop()
