"""Pick the label: two inputs, a committee of up to three, and which of the two each strategy would pay for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from bal_course.explorers.key import key_of
from bal_scenes.base import Button, Event, Explorer, IntSlider, Preset, Scene, Slider, stage
from bal_scenes.scene import Panel, bar_axis, line, panel, points, rects, scene, text
from bal_utils import acquisition
from bal_utils.acquisition import expected_error_reduction_scores, expected_gradient_length_scores

CLASSES = ("cat", "fox", "owl")
CORNERS_C_2 = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]])
MEMBERS = 3
# and sizes: where all agree, each mark is seen within the one before
MEMBER_SHAPES = {"circle": 30, "triangle": 19, "square": 11}
INPUTS = ("A", "B")
STYLES = {"A": {"colour": "blue", "hatch": ""}, "B": {"colour": "orange", "hatch": "/"}}
TIE = 1e-9  # scores that differ by less than this differ by rounding

Opinion = tuple[float, float]  # the probabilities of the first two classes; the third has the rest


@dataclass(frozen=True, kw_only=True)
class PickTheLabelState:
    """What each member says about A and about B, how many members there are, and how long B's features are (A's: 1).

    `flipped` are the strategies that changed their mind at the last change of mind, by their place in the picture.
    """

    a: tuple[Opinion, ...] = ((0.92, 0.06), (0.06, 0.92), (0.52, 0.46))
    b: tuple[Opinion, ...] = ((0.44, 0.16), (0.44, 0.40), (0.38, 0.30))
    members: int = MEMBERS
    length: float = 1.0
    flipped: tuple[int, ...] = ()

    @property
    def scores(self) -> dict[str, "Score"]:
        """Each strategy's scores."""
        return scores(self.a[: self.members], self.b[: self.members], self.length)

    def after(self, before: "PickTheLabelState") -> "PickTheLabelState":
        """The state with those strategies marked that choose another input than in the state before."""
        pairs = zip(self.scores.values(), before.scores.values(), strict=True)
        flipped = tuple(row for row, (now, then) in enumerate(pairs) if now.pick != then.pick)
        return replace(self, flipped=flipped) if flipped else self


class Score(NamedTuple):
    """A strategy's scores of A and B, as shares of the largest score possible."""

    a: float
    b: float

    @property
    def pick(self) -> str:
        """The input of the higher score, or "tie"."""
        return "tie" if abs(self.a - self.b) < TIE else "A" if self.a > self.b else "B"


def probabilities(opinions: tuple[Opinion, ...]) -> ndarray:
    """probs_K_3 of the members."""
    first_K, second_K = np.array(opinions, dtype=np.float64).T
    return np.stack([first_K, second_K, (1 - first_K - second_K).clip(0)], axis=1).round(6)


def nearest_opinion(x: float, y: float) -> Opinion:
    """The opinion at a place of the triangle, in steps of 0.01; outside it, a nearby one on the edge."""
    third = y / CORNERS_C_2[2, 1]
    second = x - third / 2
    shares_C = np.clip([1 - second - third, second, third], 0, None)
    first, second = np.floor(100 * shares_C[:2] / shares_C.sum() + 0.5) / 100
    return float(first), round(float(min(second, 1 - first)), 2)


@stage
def scores(a: tuple[Opinion, ...], b: tuple[Opinion, ...], length: float) -> dict[str, Score]:
    """Each strategy's scores, from the functions of `bal_utils.acquisition`; the inputs whose error counts are A and B."""
    log_probs_2_K_3 = torch.from_numpy(np.stack([probabilities(a), probabilities(b)])).log()
    features_2_1 = torch.tensor([[1.0], [length]], dtype=torch.float64)
    most_divided = math.log(max(2, len(a)))
    shares: dict[str, Callable[[], torch.Tensor]] = {
        "least confidence": lambda: acquisition.least_confidence_scores(log_probs_2_K_3) / (2 / 3),
        "margin": lambda: 1 + acquisition.margin_scores(log_probs_2_K_3),
        "entropy": lambda: acquisition.entropy_scores(log_probs_2_K_3) / math.log(3),
        "vote entropy": lambda: acquisition.vote_entropy_scores(log_probs_2_K_3) / most_divided,
        "BALD = mean KL": lambda: acquisition.bald_scores(log_probs_2_K_3) / most_divided,
        "gradient length": lambda: _longest_is_one(expected_gradient_length_scores(log_probs_2_K_3, features_2_1)),
        "error reduction": lambda: expected_error_reduction_scores(log_probs_2_K_3, log_probs_2_K_3) / (2 / 3),
    }
    return {name: Score(*(share().clamp(0, 1).round(decimals=12).tolist())) for name, share in shares.items()}


def _longest_is_one(lengths_2: torch.Tensor) -> torch.Tensor:
    """Lengths have no upper bound: the longer of the two is shown as one."""
    return lengths_2 / lengths_2.max().clamp_min(1e-12)


class PickTheLabel(Explorer):
    """The learner moves a committee's opinions about two inputs; bars show every strategy's scores and its choice."""

    State = PickTheLabelState
    controls: ClassVar = (
        Button("unite_a", label="A: all agree on the mean"),
        Button("unite_b", label="B: all agree on the mean"),
        IntSlider("members", label="Members", low=1, high=MEMBERS),
        Slider("length", label="B's features (A's: 1)", low=0.0, high=4.0, step=0.1),
    )
    presets: ClassVar = (
        Preset(
            "Sure and opposed, or a coin toss?", {"a": ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)), "b": ((0.5, 0.5),) * 3}
        ),
        Preset("All agree about A: who still wants it?", {"a": ((0.5, 0.48),) * 3, "flipped": (3, 4, 6)}),
        Preset("Who is bribed by short features?", {"length": 0.5, "flipped": (5,)}),
        Preset("A committee of one?", {"members": 1}),
    )

    def check(self, state: PickTheLabelState) -> None:
        """Raises ValueError where an input has not three opinions, or an opinion or a changed mind is none."""
        for name, opinions in (("a", state.a), ("b", state.b)):
            if len(opinions) != MEMBERS:
                raise ValueError(f"{name}: expected {MEMBERS} opinions, got {len(opinions)}")
            for opinion in opinions:
                if not (min(opinion) >= 0 and sum(opinion) <= 1 + 1e-6):  # written so that NaN fails
                    raise ValueError(f"{name}: expected probabilities of {CLASSES[:2]}, got {opinion}")

        if not set(state.flipped) <= set(range(len(state.scores))):
            raise ValueError(f"flipped: expected numbers below {len(state.scores)}, got {state.flipped}")

    def move(self, field: str, value: Any) -> None:
        """Moves a slider, and marks the strategies that change their mind."""
        with self.lock:
            self._try(lambda state: replace(state, **{field: value}).after(state), remember=False)

    def compute(self, state: PickTheLabelState) -> Scene:
        """Two triangles of opinions and, on the right, a pair of bars for each strategy."""
        found = state.scores
        alt = (
            f"Two triangles with the opinions of {state.members} committee members about the inputs A and B, and bars: "
            + ", ".join(f"{name} picks {score.pick}" for name, score in found.items())
        )
        bars = _pairs_of_bars(found, state.flipped)
        panels = _triangle(state, 0), _triangle(state, 1), bars, key_of(bars, (0.61, 0, 0.3, 0.15))
        return scene(*panels, alt=alt, status=_sentence(found, state.flipped), width=1000, height=390)

    def on_drag(self, state: PickTheLabelState, event: Event) -> PickTheLabelState:
        """Changes one member's opinion about one input."""
        place, member = divmod(event.point, MEMBERS)
        name = ("a", "b")[place]
        opinions = list(getattr(state, name))
        opinions[member] = nearest_opinion(event.x, event.y)
        return replace(state, **{name: tuple(opinions)}).after(state)

    def unite_a(self, state: PickTheLabelState) -> PickTheLabelState:
        """Every member takes the committee's mean opinion about A."""
        return replace(state, a=_united(state.a, state.members)).after(state)

    def unite_b(self, state: PickTheLabelState) -> PickTheLabelState:
        """Every member takes the committee's mean opinion about B."""
        return replace(state, b=_united(state.b, state.members)).after(state)


def _united(opinions: tuple[Opinion, ...], members: int) -> tuple[Opinion, ...]:
    """The mean of the first `members` opinions, for all."""
    mean_C = probabilities(opinions[:members]).mean(axis=0).round(6)
    return (tuple(mean_C[:2].tolist()),) * MEMBERS


def _triangle(state: PickTheLabelState, place: int) -> Panel:
    """What the members say about one input: near a corner they are sure of that class, in the middle of none."""
    opinions = (state.a, state.b)[place][: state.members]
    probs_K_3 = probabilities(opinions)
    places_K_2, mean_2 = probs_K_3 @ CORNERS_C_2, probs_K_3.mean(axis=0) @ CORNERS_C_2
    edges_2_4 = CORNERS_C_2[[0, 1, 2, 0]].T
    layers = [line(*edges_2_4, colour="black", width=1.5)]
    middle_2 = CORNERS_C_2.mean(axis=0)
    for corner in range(3):  # where the vote changes: from the middle to the middle of each edge
        edge_2 = (CORNERS_C_2[corner] + CORNERS_C_2[(corner + 1) % 3]) / 2
        layers.append(line(*np.stack([middle_2, edge_2]).T, colour="grey", width=1, dash="dotted"))
    layers.append(points(*mean_2[:, None], shape="star", size=44, colour="black"))
    colour = STYLES[INPUTS[place]]["colour"]
    for member, (shape, size) in enumerate(list(MEMBER_SHAPES.items())[: state.members]):
        said = ", ".join(f"{name} {p:.2f}" for name, p in zip(CLASSES, probs_K_3[member], strict=True))
        layers.append(
            points(*places_K_2[member : member + 1].T, shape=shape, colour=colour, size=size, drag=True,
                   ids=[MEMBERS * place + member], names=[f"member {member + 1} on {INPUTS[place]}: {said}"])
        )  # fmt: skip
    words = [text(*CORNERS_C_2[c], CLASSES[c], offset=(0, 16 if c == 2 else -24), bold=True) for c in range(3)]
    title = f"Drag the opinions about {INPUTS[place]}"
    bare = {"x_ticks": (), "y_ticks": ()}
    plane = {"x": (-0.06, 1.06), "y": (-0.12, 0.98)}
    return panel(*layers, *words, **plane, box=(0.305 * place, 0, 0.305, 1), title=title, equal=True, **bare)


def _pairs_of_bars(found: dict[str, Score], flipped: tuple[int, ...]) -> Panel:
    """For each strategy the score of A above that of B, and what it would buy; a row that flipped is tinted."""
    rows_R, flips = np.arange(len(found)), np.array(flipped, dtype=float)
    layers = [rects(0 * flips, 0 * flips + 1.6, flips - 0.46, flips + 0.46, colour="green", opacity=0.2)]
    for index, name in enumerate(INPUTS):
        top_R = rows_R - 0.36 + 0.36 * index
        shares_R = np.array([score[index] for score in found.values()])
        layers.append(rects(np.zeros(len(found)), shares_R, top_R, top_R + 0.34, label=name, **STYLES[name]))
    picks = ["tie" if score.pick == "tie" else f"buys {score.pick}" for score in found.values()]
    layers.append(text(np.full(len(found), 1.05), rows_R, picks, align="left", bold=True, halo=False))
    axes = bar_axis(list(found)) | {"x": (0, 1.6), "x_ticks": [(0, "0"), (0.5, "0.5"), (1, "1")]}
    words = {"title": "Who buys which label?", "x_label": "score, as a share of the largest"}
    return panel(*layers, **axes, **words, box=(0.61, 0.13, 0.39, 0.87), legend="")


def _sentence(found: dict[str, Score], flipped: tuple[int, ...]) -> str:
    """Who changed their mind, and who would buy what."""
    groups = {pick: [name for name, score in found.items() if score.pick == pick] for pick in (*INPUTS, "tie")}
    parts = [f"{pick} is bought by {', '.join(groups[pick])}." for pick in INPUTS if groups[pick]]
    if groups["tie"]:
        parts.append(f"Cannot choose: {', '.join(groups['tie'])}.")
    if flipped:
        parts.insert(0, f"Changed their mind: {', '.join(name for row, name in enumerate(found) if row in flipped)}.")
    return " ".join(parts)
