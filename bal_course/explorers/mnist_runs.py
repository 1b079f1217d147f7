"""Watch a stored run: what it asked for in each round, and what that did to the accuracy."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Play, Preset, Scene, stage
from bal_scenes.scene import Layer, Panel, images, line, line_style, mark_style, panel, points, scene, text
from bal_utils.data import ImageData, load_images
from bal_utils.data.images import fewer_images
from bal_utils.plotting import looks_of
from bal_utils.sweep.replication import Group, curve_of, load_groups

STORED = Path(__file__).parents[2] / "figures" / "kirsch2019"
FIRST = "BALD, 10 a round"  # shown at first where it is stored
MARKER = 0  # the id of the mark at the present round; the rounds are counted from 1
FEW = 20  # up to this many images, each stands over its label
NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class MnistRunsState:
    """Which run, which of its rounds, and the strategy beside it; names are those of the controls."""

    strategy: str = "BALD"
    seed: int = 0
    round: int = 1
    compare: str = NOTHING


@stage
def candidates(name: str, size: int, seed: int) -> ImageData:
    """The images that a stored run chose from, in the order in which its record counts them.

    `name` and `size` are those in the record's "data", `seed` is that of its configuration. Where MNIST cannot be had,
    these are scikit-learn's digits, with `is_stand_in` set: the record's places then mean other images.
    """
    data = load_images("mnist" if name.startswith("MNIST") else "digits")
    return data if data.is_stand_in or size == len(data.train_labels) else fewer_images(data, size, seed=seed)


def candidates_of(run: dict) -> ImageData:
    """The images that this run chose from. Raises ValueError where they were repeated with noise."""
    if "noise" in run["data"]["name"]:
        raise ValueError(f"run: expected one on images without copies, got {run['data']['name']}")
    return candidates(run["data"]["name"], run["data"]["train"], run["config"]["seed"])


def asked_for(run: dict, number: int) -> tuple[np.ndarray, list[int]]:
    """images_B_H_W, ink in [0, 1], and labels_B of what the run asked for in this round, counted from 0."""
    data = candidates_of(run)
    places_B = [place % len(data.train_labels) for place in run["rounds"][number]["acquired"]]
    return data.train_images[places_B, 0].numpy() / np.float32(255), data.train_labels[places_B].tolist()


def _most_frequent(labels_B: list[int]) -> tuple[int, int]:
    """The digit that occurs most often and how often; nothing occurs in an empty batch."""
    return Counter(labels_B).most_common(1)[0] if labels_B else (-1, 0)


def _frames(x_B: np.ndarray, y_B: np.ndarray, labels_B: list[int]) -> list[Layer]:
    """Frames around the images of the digit that a batch repeats most often."""
    digit, times = _most_frequent(labels_B)
    if times < 2:
        return []
    same = np.array(labels_B) == digit
    corners = 0.47 * np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
    frames = x_B[same, None] + corners[0], y_B[same, None] + corners[1]
    return [line(*frames, colour="vermillion", width=2.5)]


def batch_in_words(labels_B: list[int]) -> str:
    """How many images, of how many classes, and the most frequent digit."""
    (digit, times), classes = _most_frequent(labels_B), len(set(labels_B))
    name = f"{'an' if digit == 8 else 'a'} {digit}"
    if len(labels_B) == 1:
        return f"one image, {name}"
    return f"{len(labels_B)} images of {classes} class{'es' * (classes > 1)}, {times} of them {name}"


def _title_of(group: Group, among: list[Group]) -> str:
    """What a group is called in the controls: its strategy, and what else sets it apart."""
    several = len({other.batch_size for other in among}) > 1
    return f"{group.title}, {group.batch_size} a round" if several else group.title


class MnistRuns(Explorer):
    """The runs stored in a folder, round by round: the images asked for, and the accuracy before they were labelled.

    Reads the records below `folder` once; by default the course's runs on MNIST. Raises FileNotFoundError where there
    are none.
    """

    State = MnistRunsState
    play: ClassVar = Play("round", label="Round", seconds=0.8)

    def __init__(self, folder: str | Path = STORED, *, state: MnistRunsState | None = None) -> None:
        groups = load_groups(folder)
        in_order = sorted(groups, key=lambda group: (group.strategy != "bald", group))  # BALD is what one comes for
        self.runs = {
            _title_of(group, in_order): {run["config"]["seed"]: run for run in groups[group]} for group in in_order
        }
        titles = list(self.runs)
        seeds = sorted({seed for runs in self.runs.values() for seed in runs})
        longest = max(len(run["rounds"]) for runs in self.runs.values() for run in runs.values())
        self.controls = (
            Choice("strategy", label="Strategy", options=titles),
            Choice("compare", label="beside it", options=[NOTHING, *titles]),
            Choice("seed", label="Seed", options=seeds),
            IntSlider("round", label="Round", low=1, high=longest),
            Button("forward", label="Next round", primary=True),
        )
        first = FIRST if FIRST in titles else titles[0]
        start = state or MnistRunsState(strategy=first, seed=min(self.runs[first]))
        self.presets = self._questions(start)
        super().__init__(start)

    def moments(self, state: MnistRunsState) -> range:
        """The rounds of the run."""
        return range(1, len(self.runs[state.strategy][state.seed]["rounds"]) + 1)

    def _questions(self, start: MnistRunsState) -> tuple[Preset, ...]:
        """The round whose batch repeats a digit most often, chance and BatchBALD beside the run, and a larger batch."""
        run = self.runs.get(start.strategy, {}).get(start.seed)
        if run is None:
            return ()  # `check` says what is wrong with such a state
        repeats = [_most_frequent(asked_for(run, number)[1])[1] for number in range(len(run["rounds"]))]
        changes = {"When is a batch nearly one digit?": {"round": int(np.argmax(repeats)) + 1}}
        stored = [title for title, runs in self.runs.items() if start.seed in runs and title != start.strategy]
        if chance := [title for title in stored if title.startswith("Random")]:
            changes["What does chance ask for?"] = {"compare": chance[0]}
        if (rival := f"Batch{start.strategy}") in stored:
            changes["Does BatchBALD repeat itself?"] = {"compare": rival}
        if larger := [title for title in stored if title.startswith("BALD, ")]:
            changes[f"And {larger[-1].removeprefix('BALD, ')}?"] = {"strategy": larger[-1], "round": 1}
        return tuple(Preset(question, vars(replace(start, **fields))) for question, fields in changes.items())

    def check(self, state: MnistRunsState) -> None:
        """Raises ValueError for a run that is not stored."""
        for title in self._shown(state):
            if state.seed not in self.runs[title]:
                stored = ", ".join(map(str, sorted(self.runs[title])))
                raise ValueError(f"No run of {title} with seed {state.seed} is stored. There is seed {stored}.")

    def forward(self, state: MnistRunsState) -> MnistRunsState:
        """The next round; ValueError after the last."""
        if state.round >= len(self.runs[state.strategy][state.seed]["rounds"]):
            raise ValueError("This was the last round of the run.")
        return replace(state, round=state.round + 1)

    def on_click(self, state: MnistRunsState, event: Event) -> MnistRunsState:
        """A click on the curve goes to that round."""
        return state if event.point in (None, MARKER) else replace(state, round=event.point)

    def on_drag(self, state: MnistRunsState, event: Event) -> MnistRunsState:
        """Drags the marker along the curve, from round to round."""
        labels_R, _ = curve_of(self.runs[state.strategy][state.seed])
        return replace(state, round=int(np.abs(labels_R - event.x).argmin()) + 1)

    def compute(self, state: MnistRunsState) -> Scene:
        """One or two sheets of images, and the accuracy so far."""
        shown = self._shown(state)
        width = 0.31 if len(shown) == 2 else 0.46
        sheets = [
            self._sheet(title, state, (index * width, 0, width, 1), len(shown)) for index, title in enumerate(shown)
        ]
        curves = self._curves(state, (len(shown) * width, 0, 1 - len(shown) * width, 1))
        alt = f"The images that {' and '.join(shown)} asked for in round {state.round}, and the accuracy against labels"
        return scene(*sheets, curves, alt=alt, status=self._status(state), width=980, height=430)

    def _shown(self, state: MnistRunsState) -> list[str]:
        return [state.strategy] if state.compare in (NOTHING, state.strategy) else [state.strategy, state.compare]

    def _found(self, title: str, state: MnistRunsState) -> tuple[dict, int]:
        """The run, and the place of the round to be shown: the last where the run has fewer."""
        run = self.runs[title][state.seed]
        return run, min(state.round, len(run["rounds"])) - 1

    def _sheet(self, title: str, state: MnistRunsState, box: Any, sheets: int) -> Panel:
        run, number = self._found(title, state)
        pixels_B_H_W, labels_B = asked_for(run, number)
        columns = 10 if len(labels_B) > FEW else (3 if sheets == 2 else 4)
        rows = max(1, -(-len(labels_B) // columns))
        x_B, y_B = np.arange(len(labels_B)) % columns + 0.5, np.arange(len(labels_B)) // columns + 0.5
        layers: list[Layer] = []
        if not labels_B:
            layers = [text(columns / 2, 0.5, "the run ends here", halo=False)]
        elif len(labels_B) <= FEW:
            layers = [
                images(pixels_B_H_W, x=x_B, y=y_B - 0.1, width=0.7, height=0.7),
                text(x_B, y_B + 0.36, [str(label) for label in labels_B], halo=False),
                *_frames(x_B, y_B, labels_B),
            ]
        else:
            layers = [images(pixels_B_H_W, x=x_B, y=y_B, width=0.92, height=0.92)]
        edges = {"x": (0, columns), "y": (rows, 0), "x_ticks": (), "y_ticks": ()}
        return panel(*layers, **edges, box=box, title=f"{title} asks for", equal=True)

    def _curves(self, state: MnistRunsState, box: Any) -> Panel:
        layers, lowest, most = [], 1.0, 0.0
        for title, look in looks_of(self._shown(state)).items():
            (run, number), drawn, style = self._found(title, state), line_style(look), mark_style(look)
            labels_R, accuracy_R = curve_of(run)
            lowest, most = min(lowest, accuracy_R.min()), max(most, labels_R[-1])
            layers += [line(labels_R, accuracy_R, width=1.5, **drawn)]
            layers += [line(labels_R[: number + 1], accuracy_R[: number + 1], width=3, **drawn)]
            if title == state.strategy:
                names = [f"round {r}: {n} labels" for r, n in enumerate(labels_R, start=1)]
                rounds = {"ids": range(1, len(labels_R) + 1), "names": names, "size": 7}
                layers += [points(labels_R, accuracy_R, **rounds, **style)]
            here, marker = (labels_R[[number]], accuracy_R[[number]]), {}
            if title == state.strategy:
                marker = {"ids": [MARKER], "drag": True, "names": [f"the present round, {number + 1}"]}
            layers += [points(*here, size=17, label=title, **style, **marker)]
        first = self.runs[state.strategy][state.seed]["rounds"][0]["labels"]
        margin = 0.04 * (most - first) + 1
        ranges = {"x": (first - margin, most + margin), "y": (max(0.0, lowest - 0.04), 1.0)}
        words = {"x_label": "labels", "y_label": "test accuracy", "title": "The run, bold up to this round"}
        return panel(*layers, **ranges, **words, box=box, legend="bottom right")

    def _status(self, state: MnistRunsState) -> str:
        words = []
        for title in self._shown(state):
            run, number = self._found(title, state)
            entry, labels_B = run["rounds"][number], asked_for(run, number)[1]
            told = f"{title}, round {number + 1} of {len(run['rounds'])}: {entry['labels']} labels, "
            told += f"accuracy {entry['accuracy']:.3f}"
            if labels_B:
                told += f"; asks for {batch_in_words(labels_B)}"
            words.append(told + ".")
        run = self.runs[state.strategy][state.seed]
        if candidates_of(run).is_stand_in and not run["data"]["is_stand_in"]:
            words.append("MNIST is not at hand: the pictures are a stand-in, other digits than those asked for.")
        return " ".join(words)
