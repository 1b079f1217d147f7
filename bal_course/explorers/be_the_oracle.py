"""Be the oracle: BALD asks, the learner answers by keyboard, and every answer is on disk before the next image is shown.

First what happens between two questions: train on the labels so far, let BALD choose, and what random asking would give.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_course.explorers.key import key_of
from bal_course.label_store import Answer, DamagedLabels, FileHasChanged, default_folder, open_labels
from bal_scenes.base import Button, Event, Explorer, Scene, Toggle, stage
from bal_scenes.charts import shortened
from bal_scenes.scene import Panel, band, bar_axis, bars, images, line, line_style, panel, points, rects, scene, text
from bal_utils.acquisition import bald_scores
from bal_utils.data import ImageData, balanced_start, load_images, standardise
from bal_utils.models import MLP
from bal_utils.plotting import look_of
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream, stream_seed
from bal_utils.theory import metrics
from bal_utils.theory.information import log_mean_exp
from bal_utils.training.fit import FitConfig, fit, initialised

TRAINING = FitConfig(learning_rate=3e-3, epoch_samples=512, max_epochs=8)  # 64 steps: nothing is held back to stop on
SAMPLES = 20
SEED = 0
RANDOM_RUNS = 3

MOST_CLASSES = 10  # one digit key each
CANNOT_TELL = "s"
TOO_SOON = 0.15  # seconds after a new image within which a key was meant for the one before
SHOWN = 12  # answers in the strip
LONGEST, SHORT = 11, 8  # letters of a name beside its key; beside its bar and in the strip


class Round(NamedTuple):
    """A trained model: how good it is, what it asks next (None where nothing is left), and what it thinks of that."""

    accuracy: float
    image: int | None
    probs_C: np.ndarray


def first_labels(data: ImageData) -> list[int]:
    """One example of each class, known from the start."""
    return balanced_start(data.train_labels, 1, stream(SEED, "oracle's start")).tolist()


def _train_on(data: ImageData, known: list[int], labels: Tensor, number: int) -> nn.Module:
    """A small network from new weights."""
    width = data.train_images[0].numel()
    model = initialised(lambda: MLP(width, data.num_classes, hidden=(256,)), stream_seed(SEED, "oracle", number))
    inputs = standardise(data.train_images[known])
    fit(model, inputs, labels, config=TRAINING, seed=stream_seed(SEED, "oracle", number))
    return model


def _accuracy_of(data: ImageData, model: nn.Module) -> float:
    """The share of test images that the averaged network names rightly."""
    generator = stream(SEED, "oracle's test")
    log_probs_N_C = log_mean_exp(
        sample_log_probs(model, standardise(data.test_images), SAMPLES, generator=generator), 1
    )
    return metrics.accuracy(log_probs_N_C, data.test_labels)


@stage
def next_round(data: ImageData, given: tuple[tuple[int, int | None], ...]) -> Round:
    """Trains on the first labels and those given, and lets BALD choose among the images that nobody was asked about."""
    start = first_labels(data)
    told = [(image, label) for image, label in given if label is not None]
    labels = torch.tensor([*data.train_labels[start].tolist(), *[label for _, label in told]])
    model = _train_on(data, [*start, *[image for image, _ in told]], labels, len(given))
    seen = {*start, *[image for image, _ in given]}
    pool = [image for image in range(len(data.train_labels)) if image not in seen]
    accuracy = _accuracy_of(data, model)
    if not pool:
        return Round(accuracy, None, np.zeros(data.num_classes))
    masks = stream(SEED, "oracle's masks", len(given))
    log_probs_N_K_C = sample_log_probs(model, standardise(data.train_images[pool]), SAMPLES, generator=masks)
    best = int(bald_scores(log_probs_N_K_C).argmax())
    return Round(accuracy, pool[best], log_probs_N_K_C[best].exp().mean(dim=0).numpy())


@stage
def random_curves(data: ImageData, most: int) -> tuple[np.ndarray, np.ndarray]:
    """What as many random images with their true labels give: counts_M, accuracies_R_M."""
    counts_M = np.unique(np.linspace(0, most, min(6, most + 1)).round().astype(int))
    start, curves = first_labels(data), []
    for run in range(RANDOM_RUNS):
        order = torch.randperm(len(data.train_labels), generator=stream(SEED, "random oracle", run)).tolist()
        order = [*start, *[image for image in order if image not in start]]
        sets = [order[: len(start) + count] for count in counts_M]
        models = [_train_on(data, known, data.train_labels[known], run) for known in sets]
        curves.append([_accuracy_of(data, model) for model in models])
    return counts_M, np.array(curves)


def _ink(data: ImageData, places: list[int], *, side: int = 0) -> np.ndarray:
    """Training images as ink in [0, 1], [N, H, W]; smaller ones are drawn out to `side` pixels, which the eye reads better."""
    pixels = data.train_images[places].float()
    low, high = (0, 255) if data.train_images.dtype == torch.uint8 else (pixels.min(), pixels.max())
    pixels = (pixels - low) / max(high - low, 1e-9)
    if min(pixels.shape[2:]) < side:
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic")
    return pixels[:, 0].clamp(0, 1).numpy()


def _one_each(given: np.ndarray, accuracies: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The last accuracy at each number of labels: an image without a label trains a new network on the same labels."""
    counts_M, from_the_end_M = np.unique(given[::-1], return_index=True)
    return counts_M, np.array(accuracies)[::-1][from_the_end_M]


def digit_keys(names: tuple[str, ...]) -> tuple[str, ...]:
    """A digit for each class: its own where a name is one ("7", "07"), and those that are left for the others, in order."""
    numbers = [name.lstrip("0") or "0" if name.isascii() and name.isdigit() else "" for name in names]
    own = [number if len(number) == 1 and numbers.count(number) == 1 else "" for number in numbers]
    free = (digit for digit in "0123456789" if digit not in own)
    return tuple(digit or next(free) for digit in own)


@dataclass(frozen=True, kw_only=True)
class OracleState:
    """`answers` are those in the labels file, each (image, label or None, accuracy before it, seconds)."""

    answers: tuple[tuple[int, int | None, float, float], ...] = ()
    committee: bool = False
    compared: bool = False


class BeTheOracle(Explorer):
    """BALD asks, you answer. Labels are kept in `folder`, and a new kernel goes on where the last one stopped.

    `data` needs at most ten classes; its own training labels serve for the first image of each class and, after
    *Compare*, to be compared with yours. `names` are the names of the classes, if not those that the data bring. A class
    whose name is a digit has that key. Labels stay with their images and classes by content and name (`label_store`).
    Raises ValueError for more classes, or for names of another number of classes, or one for two of them.
    """

    State = OracleState
    hand: ClassVar = "click an answer, or press its key"
    controls: ClassVar = (
        Button("skip", label="Cannot tell"),
        Button("compare", label="Compare", slow=True, primary=True),
        Toggle("committee", label="Show what the networks think"),
    )
    slow_fields: ClassVar = frozenset({"answers", "compared"})
    clock: ClassVar = staticmethod(time.monotonic)

    def __init__(
        self, data: ImageData | None = None, folder: str | Path | None = None, *, names: tuple[str, ...] | None = None
    ) -> None:
        self.data = data = load_images("digits") if data is None else data
        if data.num_classes > MOST_CLASSES:
            raise ValueError(f"data: expected at most {MOST_CLASSES} classes, a digit key each, got {data.num_classes}")
        if names is None:
            names = getattr(data, "class_names", None) or range(data.num_classes)
        self.names = tuple(map(str, names))
        if len(set(self.names)) != data.num_classes or len(self.names) != data.num_classes:
            raise ValueError(f"names: expected {data.num_classes}, one for each class, all different, got {self.names}")
        self.class_keys = digit_keys(self.names)
        self.keys = (*self.class_keys, CANNOT_TELL, "Backspace")
        self._since, self._question, self._news, self.store, self.damage = 0.0, None, "", None, ""
        self.kept = ""  # what the folder holds and is not used, in words
        try:
            self.store, self.kept = open_labels(
                folder or default_folder(), name=data.name, images=data.train_images, class_names=self.names
            )
        except DamagedLabels as error:
            self.damage = str(error)
        self.found = self.store.answers if self.store else ()
        super().__init__(OracleState(answers=self.found))

    def on_key(self, state: OracleState, event: Event) -> OracleState:
        """A digit answers, s says that it cannot be told, Backspace takes the last answer back."""
        if event.key == "Backspace":
            return self._written(state, lambda: self.store.undo())
        if event.key not in self.keys:
            digits = ", ".join(sorted(self.class_keys))
            raise ValueError(f'Press one of the digits {digits}, s for "cannot tell", or Backspace.')
        return self._answer(state, None if event.key == CANNOT_TELL else self.class_keys.index(event.key))

    def on_click(self, state: OracleState, event: Event) -> OracleState:
        """A click on one of the small boxes is as good as its key."""
        return state if event.point is None or event.point >= len(self.names) else self._answer(state, event.point)

    def skip(self, state: OracleState) -> OracleState:
        """The image gets no label and is not asked for again."""
        return self._answer(state, None)

    def compare(self, state: OracleState) -> OracleState:
        """Shows the curve of random asking, and where the learner's labels differ from those of the data set."""
        if not self._told(state):
            raise ValueError("Label some images first: there is nothing to compare.")
        return replace(state, compared=True)

    def undo(self) -> None:
        """Takes back the last answer, in the file too, also one of an earlier kernel."""
        self._do(lambda: self.store.undo())

    def reset(self) -> None:
        """Starts again without labels. The old ones stay in the file: `undo` brings them back."""
        self._do(lambda: self.store.clear())

    def check(self, state: OracleState) -> None:
        """Raises ValueError where the answers are not those of the labels file."""
        if self.store is not None and state.answers != self.store.answers:
            raise ValueError("Labels come from your keys or from the labels file, not from a pasted scene.")

    def _answer(self, state: OracleState, label: int | None) -> OracleState:
        asked = self._round(state)
        if asked.image is None:
            raise ValueError("Every image has been asked for. Undo takes the last answer back.")
        waited = self.clock() - self._since
        if waited < TOO_SOON:
            raise ValueError("That key came too soon to be meant for this image, and does not count. Press it again.")
        answer = Answer(asked.image, label, round(asked.accuracy, 4), round(waited, 1))
        return self._written(state, lambda: self.store.add(answer))

    def _written(self, state: OracleState, write: Callable[[], None]) -> OracleState:
        """The state after a change of the file; what cannot be written does not happen."""
        if self.store is None:
            raise ValueError(self.damage)
        try:
            write()
        except FileHasChanged as changed:
            self._news = f"{changed} Your last key was not taken: answer the image that is shown now."
        except OSError as error:
            raise ValueError(f"The label could not be written ({error.strerror}), so it does not count.") from error
        return replace(state, answers=self.store.answers, compared=False)

    def _do(self, write: Callable[[], None]) -> None:
        with self.lock:
            self._try(lambda state: self._written(state, write), remember=True)  # clears what was complained of

    def _try(self, act: Callable[[Any], Any], **options: Any) -> None:
        super()._try(act, **options)
        if self._news:
            self._say(self._news, failed=True)
            self._news = ""

    def _redraw(self, **options: Any) -> None:
        super()._redraw(**options)
        if self._question != self._state.answers:  # the time runs from the moment at which a new image is there
            self._question, self._since = self._state.answers, self.clock()

    def _round(self, state: OracleState) -> Round:
        return next_round(self.data, tuple(answer[:2] for answer in state.answers))

    def _told(self, state: OracleState) -> list[Answer]:
        return [answer for answer in map(Answer._make, state.answers) if answer.label is not None]

    def compute(self, state: OracleState) -> Scene:
        """The image that is asked for, the curve so far, the last answers."""
        if self.damage:
            raise ValueError(self.damage)
        asked = self._round(state)
        wide = 0.38 if state.committee else 0.64
        curve = self._curve(state, asked, (0.36, 0, wide, 0.58))
        panels = [self._ask(asked), curve, self._strip(state), key_of(curve, (0.36, 0.56, wide, 0.17))]
        if state.committee:
            panels.append(self._opinions(asked))
        alt = f"An image to be named, the model's accuracy after {len(self._told(state))} labels, and the last answers"
        return scene(*panels, alt=alt, status=self._status(state, asked), width=940, height=500)

    def _ask(self, asked: Round) -> Panel:
        """The image, and a box a class to click: under it, or beside it where the classes have names."""
        count, keys = len(self.names), list(self.class_keys)
        if named := self._named:
            step = min(1.6, 10 / count)
            left_C, width, low_C, high = np.zeros(count), 4.0, 10.4 - step * (np.arange(count) + 1), step - 0.1
            keys = [f"{key}  {shortened(name, LONGEST)}" for key, name in zip(keys, self.names, strict=True)]
        else:
            place_C = np.arange(count)  # five in a row, so that a finger finds its key
            left_C, width, low_C, high = 2.0 * (place_C % 5), 2.0, 1.65 * ((count - 1) // 5 - place_C // 5), 1.55
        names = [f"answer {name}" for name in self.names]
        layers = [rects(left_C + 0.05, left_C + width - 0.05, low_C, low_C + high, colour="#e3e8ee",
                        ids=range(count), names=names)]  # fmt: skip
        words_x, align = (left_C + 0.25, "left") if named else (left_C + 1, "center")
        layers.append(text(words_x, low_C + high / 2, keys, halo=False, align=align))
        if asked.image is not None:
            x, y, side = (7.2, 7.5, 5.6) if named else (5, 7, 6.8)
            told = {"ids": [count], "names": ["the image to be named"]}  # a mark of its own: the keys' cursor frames it
            layers.append(
                images(_ink(self.data, [asked.image], side=32), x=[x], y=[y], width=side, height=side, **told)
            )
        words = "Which of these is it?" if asked.image is not None else "Every image has been asked for"
        plain = {"x_ticks": (), "y_ticks": (), "equal": True}
        return panel(*layers, x=(0, 10), y=(-0.1, 10.6), box=(0, 0, 0.36, 0.72), title=words, **plain)

    def _curve(self, state: OracleState, asked: Round, box: tuple[float, ...]) -> Panel:
        accuracies = [answer[2] for answer in state.answers] + [asked.accuracy]
        given = np.cumsum([0, *[answer[1] is not None for answer in state.answers]])
        layers, most, bald, random = [], max(10, int(given[-1])), look_of("bald"), look_of("random")
        if state.compared:
            counts_M, random_R_M = random_curves(self.data, int(given[-1]))
            layers.append(
                band(counts_M, random_R_M.min(0), random_R_M.max(0), colour=random.colour, label="random, 3 runs")
            )
            layers.append(line(counts_M, random_R_M.mean(0), **line_style(random)))
            accuracies = [*accuracies, *random_R_M.ravel()]
        given, own = _one_each(given, accuracies[: len(given)])
        layers.append(line(given, own, width=3, label="BALD asks, you answer", **line_style(bald)))
        layers.append(points(given[-1:], own[-1:], size=14, colour=bald.colour, labels=[f"{own[-1]:.2f}"]))
        low = np.floor(10 * min(accuracies) - 0.5) / 10
        room = 1.25 if state.committee else 1.12  # for the number at the end of the curve
        return panel(*layers, x=(-0.5, room * most), y=(max(low, 0), 1), box=box, title="What your labels are worth",
                     x_label=f"your labels (besides {len(first_labels(self.data))} to start with)",
                     y_label="accuracy on test images", legend="")  # fmt: skip

    def _opinions(self, asked: Round) -> Panel:
        axes = bar_axis([shortened(name, SHORT) for name in self.names])
        axes |= {"x": (0, 1.25), "x_label": "probability", "x_ticks": ((0, "0"), (0.5, "0.5"), (1, "1"))}
        layers = bars(asked.probs_C[:, None], totals="{:.2f}")
        return panel(*layers, **axes, box=(0.74, 0, 0.26, 0.72), title="Mean prediction")

    def _strip(self, state: OracleState) -> Panel:
        """The last answers or, once compared, those that differ from the data set's."""
        answers = [Answer._make(answer) for answer in state.answers]
        title = "Your last answers, the newest first" if answers else "Your answers will stand here"
        words = [f"you: {shortened(self._name(answer.label), SHORT)}" for answer in answers]
        if state.compared:
            answers = self._differing(state)
            title = "Where the data set says otherwise" if answers else "The data set agrees with every label of yours"
            pairs = [(self._name(a.label), self._name(int(self.data.train_labels[a.image]))) for a in answers]
            words = [f"{shortened(yours, SHORT)}, not {shortened(theirs, SHORT)}" for yours, theirs in pairs]
        slots = 2 if self._named else 1  # words need more room than digits
        answers, words = answers[::-1][: SHOWN // slots], words[::-1][: SHOWN // slots]
        x_N = slots * (np.arange(len(answers)) + 0.5)
        layers = []
        if answers:
            pixels = _ink(self.data, [a.image for a in answers])
            layers = [images(pixels, x=x_N, y=np.full(len(x_N), 0.6), width=0.62, height=0.62)]
            layers.append(text(x_N, np.full(len(x_N), 0.08), words, halo=False))
        plain = {"x_ticks": (), "y_ticks": (), "equal": True}
        return panel(*layers, x=(0, SHOWN), y=(-0.1, 1), box=(0, 0.72, 1, 0.28), title=title, **plain)

    @property
    def _named(self) -> bool:
        """Whether the classes have names other than their keys."""
        return self.names != self.class_keys

    def _name(self, label: int | None) -> str:
        return "?" if label is None else self.names[label]

    def _differing(self, state: OracleState) -> list[Answer]:
        return [answer for answer in self._told(state) if answer.label != int(self.data.train_labels[answer.image])]

    def _status(self, state: OracleState, asked: Round) -> str:
        told, file = self._told(state), self.store.path.name
        if state.compared:
            return self._verdict(state, asked)
        if not state.answers:
            how = (
                "Click the picture, then press the digit that you see, s if you cannot tell, Backspace to take it back."
            )
            return f"{how} {self.kept}".strip()
        count = f"{len(told)} label{'s' * (len(told) != 1)}"
        if state.answers == self.found:
            torn = " Its last line had no end and was left out." * self.store.torn
            return f"{count} read from {file}; you go on where you stopped.{torn} {self.kept}".strip()
        last = self._name(state.answers[-1][1])
        said = "cannot tell" if last == "?" else last
        left = "" if asked.image is not None else " Nothing is left to ask. Press Compare."
        return f"Your last answer, {said}, is written. {count} in {file}, accuracy {asked.accuracy:.2f}.{left}"

    def _verdict(self, state: OracleState, asked: Round) -> str:
        told = self._told(state)
        random_R = random_curves(self.data, len(told))[1][:, -1]
        agreed, pace = len(told) - len(self._differing(state)), np.median([answer.seconds for answer in told])
        return (
            f"{agreed} of your {len(told)} labels are the data set's. Accuracy {asked.accuracy:.2f}; as many random images "
            f"give {random_R.min():.2f} to {random_R.max():.2f} in {RANDOM_RUNS} runs. You took about {pace:.0f} s a label."
        )
