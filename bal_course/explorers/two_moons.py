"""Where does each strategy look? The whole loop on two moons, one click at a time, or two strategies in a race.

First the state, and what follows from it: labels, the next batch, the doubt at a place, the curve; then the pictures.
Each strategy has a lane: labels, networks, map and curve of its own, from one start, on the same data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from threading import Thread
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bal_course.explorers import moons
from bal_course.explorers.moons import (
    COLUMNS,
    DATA,
    MEMBERS,
    NUM_POOL,
    PLANE,
    POSTERIORS,
    ROWS,
    STRATEGIES,
    Setting,
    pool_terms,
    score_map,
    term_maps,
)
from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Play, Preset, Scene, Slider, Toggle, stage
from bal_scenes.scene import (
    Layer,
    Panel,
    band,
    bar_axis,
    bars,
    class_points,
    contour,
    heat,
    line,
    line_style,
    mark_style,
    panel,
    points,
    scene,
    text,
)
from bal_utils.plotting import for_words, look_of

Place = tuple[float, float]
Box = tuple[float, float, float, float]
TITLES = {name: title for title, name in STRATEGIES.items()}
TERMS = ("all doubt", "noise", "what a label teaches")
LOG_2 = float(np.log(2))
NATS = {"low": 0.0, "top": LOG_2}
HALVES = {"low": 0.0, "top": 0.5}
SCALES = {  # fixed for a family of scores, so that brightness can be compared; other scores begin at zero
    "entropy": NATS, "vote_entropy": NATS, "mean_kl": NATS, "bald": NATS, "batchbald": NATS,
    "least_confidence": HALVES, "variation_ratio": HALVES, "mean_std": HALVES, "margin": {"low": -1.0, "top": 0.0},
}  # fmt: skip
SIZES = {1: (940, 540), 2: (940, 680), 3: (940, 620)}  # by number of maps
MAP_BOXES = {  # the last map also holds the colour bar: its box is wider, so that the maps are of one size
    1: ((0, 0, 0.6, 1),),
    2: ((0, 0, 0.5, 0.6), (0.5, 0, 0.5, 0.6)),
    3: ((0, 0, 0.303, 0.57), (0.303, 0, 0.303, 0.57), (0.606, 0, 0.394, 0.57)),
}
BESIDE = {  # where bars and curve stand
    1: ((0.6, 0.0, 0.4, 0.4), (0.6, 0.4, 0.4, 0.6)),
    2: ((0.0, 0.6, 0.38, 0.4), (0.38, 0.6, 0.62, 0.4)),
    3: ((0.0, 0.57, 0.38, 0.43), (0.38, 0.57, 0.62, 0.43)),
}
WITH = dict(zip(POSTERIORS, ("MC-dropout", "the ensemble", "Laplace", "one network"), strict=True))
GOAL = 30  # labels to which ▶ plays
SURE, MAIN = 0.15, 0.6  # nats of all doubt below which a place is settled; share that makes one term the main one
WORLD = {"data", "noise", "seed", "start"}  # another of these is another pool, or another beginning


@dataclass(frozen=True, kw_only=True)
class TwoMoonsState:
    """`asked` is the record of the run, in order: round, lane and point of the pool. `rounds` is the present moment, which may
    lie before the end of the record; `seen` is an earlier one that the pointer on the curve shows. `dropped` are first labels
    that were taken back."""

    data: str = "moons"
    noise: float = 0.2
    seed: int = 2
    start: int = 6
    posterior: str = "MC-dropout"
    samples: int = 20
    dropout: float = 0.2
    strategy: str = "bald"
    compare: str = ""
    batch: int = 1
    terms: bool = False
    rounds: int = 0
    asked: tuple[tuple[int, int, int], ...] = ()
    dropped: tuple[int, ...] = ()
    at: tuple[float, float] | None = None
    seen: int | None = None


class Lane(NamedTuple):
    """All that the labels of one lane depend on. `written` are its rounds and points of the record."""

    setting: Setting  # without labels
    start: int
    dropped: tuple[int, ...]
    samples: int
    batch: int
    strategy: str
    written: tuple[tuple[int, int], ...]

    @property
    def end(self) -> int:
        """The last round of the record."""
        return max((written for written, _ in self.written), default=0)


def lanes_of(state: TwoMoonsState) -> list[Lane]:
    """One lane, or two in a race. Only MC-dropout trains with dropout, so p must not make the others train again."""
    dropout = state.dropout if state.posterior == "MC-dropout" else 0.0
    blank = Setting(state.noise, state.seed, (), state.posterior, dropout, state.data)
    strategies = (state.strategy, state.compare) if state.compare else (state.strategy,)
    return [
        Lane(
            blank,
            state.start,
            state.dropped,
            state.samples,
            state.batch,
            strategy,
            tuple((written, point) for written, lane, point in state.asked if lane == number),
        )
        for number, strategy in enumerate(strategies)
    ]


@lru_cache(maxsize=4096)
def labels_after(lane: Lane, rounds: int) -> tuple[int, ...]:
    """The labelled pool points in the order of their purchase: those of the record, and beyond it what the strategy asks."""
    if rounds == 0:
        first = moons.first_labels(lane.setting.noise, lane.setting.seed, lane.start, lane.setting.data)
        known = tuple(index for index in first if index not in lane.dropped)
    else:
        known = labels_after(lane, rounds - 1)
    if rounds > lane.end:
        return (*known, *batch_after(lane, rounds - 1))
    return (*known, *(point for written, point in lane.written if written == rounds))


def setting_after(lane: Lane, rounds: int) -> Setting:
    """What the lane's networks depend on."""
    return lane.setting._replace(labelled=tuple(sorted(labels_after(lane, rounds))))


@stage
def _chosen_batch(fitted: Setting, count: int, strategy: str, batch: int) -> tuple[int, ...]:
    """What the strategy would ask for, best first; empty where everything is labelled."""
    samples = moons.sample(fitted).first(count)
    return tuple(moons.next_batch(strategy, samples, fitted.labelled, batch, fitted.seed).indices)


def batch_after(lane: Lane, rounds: int) -> tuple[int, ...]:
    """What the lane's strategy asks for next."""
    return _chosen_batch(setting_after(lane, rounds), lane.samples, lane.strategy, lane.batch)


def moment(state: TwoMoonsState) -> int:
    """The round that is shown."""
    return state.rounds if state.seen is None else min(state.seen, state.rounds)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The doubt at one place: noise and what a label teaches, in nats, and the probability of class 1."""

    noise: float
    taught: float
    prob: float

    @property
    def total(self) -> float:
        """All the doubt there is."""
        return self.noise + self.taught


def terms_at(lane: Lane, rounds: int, place: Place) -> Terms:
    """The terms in the map's cell around a place."""
    column, row = (
        int(np.clip((value - low) / (high - low) * count, 0, count - 1))
        for value, (low, high), count in zip(place, PLANE.values(), (COLUMNS, ROWS), strict=True)
    )
    _, noise, taught, prob = term_maps(setting_after(lane, rounds), lane.samples)[:, row, column]
    return Terms(noise=float(noise), taught=max(float(taught), 0.0), prob=float(prob))


def history(lane: Lane, rounds: int) -> tuple[list[int], list[float]]:
    """Numbers of labels along the run, one a round, and what those labels were worth."""
    known = [tuple(sorted(labels_after(lane, count))) for count in range(rounds + 1)]
    noise, seed, _, _, _, data = lane.setting
    return [len(points) for points in known], list(moons.worths(noise, seed, known, data))


def kind_of_place(found: Terms, *, alone: bool = False) -> str:
    """What kind of place this is, in words; `alone` where a single network was asked."""
    if found.total < SURE:
        return f"the network{' is sure of' if alone else 's agree on'} class {int(found.prob > 0.5)}"
    if alone:
        return "the network calls it a toss-up, and no other can contradict it"
    if found.taught > MAIN * found.total:
        return "each network is sure and they contradict each other: a label teaches"
    if found.noise > MAIN * found.total:
        return "all networks agree that it is a toss-up: a label teaches little"
    return "toss-up and disagreement mix"


def is_alone(state: TwoMoonsState) -> bool:
    """Whether the posterior is a single network."""
    return state.samples == 1 or state.posterior == "one network"


TWENTY = {"noise": 0.3, "start": 20, "seed": 3}
PRESETS = (
    Preset("Does BALD beat chance?", {"compare": "random"}),
    Preset("BALD or margin: who is ahead?", {"compare": "margin", "noise": 0.3, "seed": 3}),
    Preset("Where does doubt have nothing to learn?", {**TWENTY, "posterior": "ensemble", "terms": True}),
    Preset("Can one network disagree with itself?", {**TWENTY, "posterior": "one network"}),
    Preset("What do ten at once look like?", {**TWENTY, "posterior": "ensemble", "batch": 10}),
    Preset("Does one wrong label lead it astray?", {"data": moons.WRONG, "compare": "random", "seed": 3}),
    Preset(
        "Who never sees the fourth corner?",
        {"data": "XOR", "noise": 0.1, "seed": 3, "start": 8, "batch": 2, "compare": "core_set"},
    ),
)


class TwoMoons(Explorer):
    """Label points on two moons, see what each strategy would ask, let it ask, or let two race."""

    State = TwoMoonsState
    controls: ClassVar = (
        Button("step", label="Step", slow=True, primary=True),
        Choice("strategy", label="Strategy", options=STRATEGIES),
        Choice("compare", label="races against", options={"nobody": "", **STRATEGIES}),
        Choice("posterior", label="Posterior", options=POSTERIORS, more=True),
        Toggle("terms", label="Show terms", more=True),
        IntSlider("samples", label="Samples T", low=1, high=moons.MOST_SAMPLES, more=True),
        Slider("dropout", label="Dropout p", low=0.0, high=0.9, step=0.1, continuous=False, more=True),
        Choice("data", label="Data", options=tuple(DATA), more=True),
        Slider("noise", label="Noise", low=0.0, high=0.5, step=0.05, continuous=False, more=True),
        IntSlider("seed", label="Seed", low=0, high=20, continuous=False, more=True),
        IntSlider("start", label="First labels", low=2, high=20, continuous=False, more=True),
        IntSlider("batch", label="Batch", low=1, high=20, more=True),
        IntSlider("rounds", label="Round", low=0, high=NUM_POOL),
    )
    play: ClassVar = Play("rounds", label="round", seconds=0.25)
    presets: ClassVar = PRESETS
    hand: ClassVar = "click a dot to label it · Shift-click takes back · hover the curve for its past"
    slow_fields: ClassVar = frozenset({"data", "posterior", "dropout", "noise", "seed", "start", "asked", "dropped"})

    @property
    def widget(self) -> Any:
        """As every explorer's; meanwhile PyTorch reads what Laplace's Jacobians need, a second that no hand should wait for."""
        if self._view is None:
            Thread(target=import_module, args=("torch._dynamo",)).start()
        return super().widget

    def compute(self, state: TwoMoonsState) -> Scene:
        """A map a lane, or the three terms; then what is known about one place, and the curves."""
        lanes, now = lanes_of(state), moment(state)
        place = self._place(state, lanes[0], now)
        maps = self._maps(state, lanes, now)
        bar_box, curve_box = BESIDE[len(maps)]
        beside = self._place_bars(lanes[0], now, place, bar_box), self._curves(state, lanes, curve_box)
        looks = " and ".join(TITLES[lane.strategy] for lane in lanes)
        labels = len(labels_after(lanes[0], now))
        alt = f"{state.data.capitalize()} with {labels} labelled points; each map shows where a strategy looks: {looks}"
        width, height = SIZES[len(maps)]
        return scene(*maps, *beside, alt=alt, status=self._status(state, lanes, now, place), width=width, height=height)

    def check(self, state: TwoMoonsState) -> None:
        """Raises ValueError for points that the pool does not have."""
        bought = [(lane, point) for _, lane, point in state.asked]
        for name, found, known in (
            ("asked", [point for _, point in bought], len(set(bought)) == len(bought)),
            ("dropped", state.dropped, len(set(state.dropped)) == len(state.dropped)),
        ):
            if not known or not all(0 <= index < NUM_POOL for index in found):
                raise ValueError(f"{name}: expected different points of the pool, 0 to {NUM_POOL - 1}, got {found}")
        if not all(written >= 0 and lane in (0, 1) for written, lane, _ in state.asked):
            raise ValueError(f"asked: expected rounds of at least 0 and the lanes 0 and 1, got {state.asked}")

    def moments(self, state: TwoMoonsState) -> range:
        """Rounds up to thirty labels, or to the end of the record where that is longer."""
        needed = math.ceil((GOAL - state.start) / state.batch)
        return range(max(needed, state.rounds, *(lane.end for lane in lanes_of(state)), 1) + 1)

    def at_moment(self, state: TwoMoonsState, value: int) -> TwoMoonsState:
        """Another round. What is asked on the way is written down: no later change of a control moves the past."""
        asked = [*state.asked]
        for number, lane in enumerate(lanes_of(state)):
            for written in range(lane.end + 1, value + 1):
                asked += [(written, number, point) for point in batch_after(lane, written - 1)]
        return replace(state, rounds=value, asked=tuple(asked), at=None, seen=None)

    def move(self, field: str, value: Any) -> None:
        """Moves a control: another pool or rival begins at the start, others change only what lies ahead."""

        def moved(state: TwoMoonsState) -> TwoMoonsState:
            if field in WORLD:
                state = replace(state, asked=(), dropped=(), rounds=0)
            elif field == "compare":
                state = replace(state, asked=(), rounds=0)
            elif field != "terms":
                state = ahead_forgotten(state)
            return replace(state, **{field: value}, seen=None)

        with self.lock:
            self._try(moved, remember=False)

    def on_click(self, state: TwoMoonsState, event: Event) -> TwoMoonsState:
        """Labels a point in the lane of its map; with Shift takes the label back."""
        if event.point is None:
            return replace(state, at=None if event.x is None else (round(event.x, 2), round(event.y, 2)))
        number = event.panel if event.panel and not state.terms else 0
        lane = lanes_of(state)[number]
        known = labels_after(lane, state.rounds)
        state = ahead_forgotten(self.at_moment(state, state.rounds))
        if event.point not in known:
            return replace(state, asked=(*state.asked, (state.rounds, number, event.point)))
        if not event.shift:
            raise ValueError("This point has its label. Click with Shift to take the label back.")
        if len(known) == 1:
            raise ValueError("The last label stays: without any there is nothing to train on.")
        asked = tuple(entry for entry in state.asked if entry[1:] != (number, event.point))
        first = moons.first_labels(state.noise, state.seed, state.start, state.data)
        return replace(
            state, asked=asked, dropped=(*state.dropped, event.point) if event.point in first else state.dropped
        )

    def on_hover(self, state: TwoMoonsState, event: Event) -> TwoMoonsState:
        """Shows the three terms at the place under the pointer; on the curve, the labels of that moment."""
        maps = len(self._titles(state, lanes_of(state)))
        if event.panel is None or event.x is None:
            return replace(state, at=None, seen=None)
        if event.panel == maps + 1:
            counts, _ = history(lanes_of(state)[0], state.rounds)
            return replace(state, at=None, seen=int(np.abs(np.array(counts) - event.x).argmin()))
        on_map = event.panel < maps and all(
            low <= value <= high for value, (low, high) in zip((event.x, event.y), PLANE.values(), strict=True)
        )
        return replace(state, at=(round(event.x, 2), round(event.y, 2)) if on_map else None, seen=None)

    def step(self, state: TwoMoonsState) -> TwoMoonsState:
        """Labels the batch that each strategy asks for."""
        if not any(batch_after(lane, state.rounds) for lane in lanes_of(state)):
            raise ValueError("Every point of the pool is labelled: there is nothing left to ask.")
        return self.at_moment(state, state.rounds + 1)

    def _titles(self, state: TwoMoonsState, lanes: list[Lane]) -> list[str]:
        """What each map shows: a strategy, or a term."""
        return list(TERMS) if state.terms else [TITLES[lane.strategy] for lane in lanes]

    def _maps(self, state: TwoMoonsState, lanes: list[Lane], now: int) -> list[Panel]:
        shown = list(self._terms_shown(lanes[0], now) if state.terms else self._scores_shown(lanes, now))
        cross = []
        if state.at is not None:
            cross = [points([state.at[0]], [state.at[1]], shape="cross", size=16, colour="vermillion")]
        panels = []
        for number, (title, lane, values) in enumerate(shown):
            probs = term_maps(setting_after(lane, now), lane.samples)[3]
            boundary = [contour(probs, 0.5, **PLANE, colour="black", width=3)]
            if len(shown) == 1:  # on maps as small as these, more lines would hide what they follow
                boundary.insert(0, contour(probs, (0.25, 0.75), **PLANE, colour="black", width=1))
            layers = [values, *boundary, *self._points(state, lane, now), *cross]
            legend = "bottom left" if number == 0 and len(shown) < 3 else ""
            box = MAP_BOXES[len(shown)][number]
            panels.append(panel(*layers, **PLANE, box=box, title=title, x_ticks=(), y_ticks=(), legend=legend))
        return panels

    def _terms_shown(self, lane: Lane, now: int) -> Iterator[tuple[str, Lane, Layer]]:
        """The three terms in one scale of colours, whose bar stands at the last."""
        for title, values in zip(TERMS, term_maps(setting_after(lane, now), lane.samples), strict=False):
            yield title, lane, heat(values, **PLANE, **NATS, bar="nats" if title == TERMS[-1] else None)

    def _scores_shown(self, lanes: list[Lane], now: int) -> Iterator[tuple[str, Lane, Layer]]:
        """Each lane's scores, in the scale of their family."""
        for lane in lanes:
            values = score_map(setting_after(lane, now), lane.samples, lane.strategy)
            scale = SCALES.get(lane.strategy, {})
            bar = "score" if len(lanes) == 1 else None
            yield TITLES[lane.strategy], lane, heat(values, **PLANE, **scale, bar=bar)

    def _points(self, state: TwoMoonsState, lane: Lane, now: int) -> list[Layer]:
        fitted = setting_after(lane, now)
        data, known, batch = (
            moons.moons(fitted.noise, fitted.seed, fitted.data),
            list(fitted.labelled),
            batch_after(lane, now),
        )
        noise_P, taught_P, prob_P = pool_terms(fitted, lane.samples)

        def named(index: int, what: str) -> str:
            x, y = data.pool_P_2[index].tolist()
            found = Terms(noise=noise_P[index], taught=taught_P[index], prob=prob_P[index])
            return f"{what} at {x:.1f}, {y:.1f}: {kind_of_place(found, alone=is_alone(state))}"

        taken = {*known, *batch}
        rest = [index for index in range(NUM_POOL) if index not in taken]
        layers = [
            points(*data.pool_P_2[rest].T, size=7, colour="grey", filled=False, ids=rest,
                   names=[named(index, "point") for index in rest]),
            *(
                class_points(data.pool_P_2[of_class], [label] * len(of_class), ids=of_class, size=15,
                             names=[named(index, f"label {label}") for index in of_class])
                for label in (0, 1)
                if (of_class := [index for index in known if data.labels_P[index] == label])
            ),
        ]  # fmt: skip
        if batch:
            x, y = data.pool_P_2[list(batch)].T
            names = [named(index, f"asked for as number {rank}") for rank, index in enumerate(batch, start=1)]
            ranks = [str(rank) for rank in range(1, len(batch) + 1)] if len(batch) > 1 else None
            layers += [
                points(x, y, size=7, colour="grey", filled=False, ids=batch, names=names),
                points(x, y, shape="ring", size=24 if len(batch) < 8 else 16, colour="vermillion", labels=ranks,
                       label="asked for next"),
            ]  # fmt: skip
        return layers

    def _place(self, state: TwoMoonsState, lane: Lane, now: int) -> Place | None:
        """The place that is described: the one pointed at, else the first that is asked for."""
        batch = batch_after(lane, now)
        if state.at is not None or not batch:
            return state.at
        return tuple(moons.moons(state.noise, state.seed, state.data).pool_P_2[batch[0]].tolist())

    def _place_bars(self, lane: Lane, now: int, place: Place | None, box: Box) -> Panel:
        found = Terms(noise=0.0, taught=0.0, prob=0.5) if place is None else terms_at(lane, now, place)
        values = [[found.total, 0, 0], [0, found.noise, 0], [0, 0, found.taught]]
        layers = bars(values, segments=TERMS, colours=["black", "orange", "blue"], totals="{:.2f}")
        for layer in layers:
            layer["label"] = ""
        where = "no place" if place is None else "({:.1f}, {:.1f})".format(*(round(value, 1) + 0 for value in place))
        axes = bar_axis(TERMS) | {"x": (0, 1.2), "x_ticks": [(0, "0"), (0.5, "0.5"), (1, "1")]}
        return panel(*layers, **axes, box=box, title=f"Doubt at {where}", x_label="nats")

    def _curves(self, state: TwoMoonsState, lanes: list[Lane], box: Box) -> Panel:
        """What the labels of each lane were worth, round by round, before the band of random orders."""
        begin = len(labels_after(lanes[0]._replace(written=()), 0))
        histories = [history(lane, state.rounds) for lane in lanes]
        most = max(GOAL, *(counts[-1] for counts, _ in histories))
        at, worths_R_M = self._random(state, begin, most)
        random = look_of("random")
        layers = [
            band(at, worths_R_M.min(axis=0), worths_R_M.max(axis=0), colour=random.colour, label="random, five runs"),
            line(at, worths_R_M.mean(axis=0), **line_style(random)),
        ]
        lowest = min(worths_R_M.min(), *(values[0] for _, values in histories))
        floor = min(math.floor(20 * lowest) / 20 - 0.1, *(min(values) - 0.02 for _, values in histories))
        if state.seen is not None:
            count = histories[0][0][moment(state)]
            layers.append(line([count, count], [floor, 1], colour="grey", dash="dashed"))
        looks = [look_of(lane.strategy) for lane in lanes]
        for own, (counts, values) in zip(looks, histories, strict=True):
            layers += [line(counts, values, width=3, colour=own.colour)]
            layers += [points(counts, values, size=8, **mark_style(own))]
        ends = [(counts[-1], values[-1]) for counts, values in histories]
        layers += _names_at_ends(ends, looks, apart=0.1 * (1.0 - floor))
        room = 0.3 if len(lanes) > 1 else 0.4  # for a name at the end of a curve
        axes = {"x": (begin - 1, most + room * (most - begin)), "y": (floor, 1.0)}
        return panel(*layers, **axes, box=box, x_label="labels", y_label="accuracy", legend="bottom right",
                     title="What these labels are worth")  # fmt: skip

    def _random(self, state: TwoMoonsState, begin: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        first = moons.first_labels(state.noise, state.seed, state.start, state.data)
        known = tuple(sorted(index for index in first if index not in state.dropped))
        ahead = max(most - begin, 1)
        further = tuple(sorted({round(ahead * share) for share in (0, 0.25, 0.5, 0.75, 1)}))
        worths_R_M = moons.random_band(state.noise, state.seed, known, further, data=state.data)
        return np.array(further) + begin, worths_R_M

    def _status(self, state: TwoMoonsState, lanes: list[Lane], now: int, place: Place | None) -> str:
        """The reason first, then the bookkeeping."""
        return f"{self._reason(state, lanes[0], now, place)} {self._books(state, lanes, now)}"

    def _reason(self, state: TwoMoonsState, lane: Lane, now: int, place: Place | None) -> str:
        if place is None:
            return "Every point is labelled."
        why = kind_of_place(terms_at(lane, now, place), alone=is_alone(state))
        if state.at is not None:
            return f"Here, {why}."
        return f"{why[0].upper()}{why[1:]}. {TITLES[lane.strategy]} asks there next."

    def _books(self, state: TwoMoonsState, lanes: list[Lane], now: int) -> str:
        count = len(labels_after(lanes[0], now))
        told = f"{count} label{'s' * (count > 1)}"
        if len(lanes) > 1:
            worths = [history(lane, now)[1][-1] for lane in lanes]
            shares = ", ".join(
                f"{TITLES[lane.strategy]} {100 * one:.1f} %" for lane, one in zip(lanes, worths, strict=True)
            )
            return f"{told}, worth: {shares}."
        fitted = setting_after(lanes[0], now)
        right = moons.accuracy(moons.sample(fitted).first(state.samples), state.noise, state.seed, state.data)
        told = f"{told}; with {WITH[state.posterior]}, {100 * right:.1f} % of new points come out right."
        if state.posterior == "ensemble" and state.samples > MEMBERS:
            told += f" It has {MEMBERS} members, all in use."
        return told


def _names_at_ends(ends: list[tuple[int, float]], looks: list[Any], apart: float) -> Iterator[Layer]:
    """The name of each curve beside its last point; two names stand at least so far apart."""
    heights = [height for _, height in ends]
    if len(ends) == 2 and abs(heights[0] - heights[1]) < apart:
        upper = int(heights[1] > heights[0])
        middle = min(sum(heights) / 2, 1.0 - apart)
        heights[upper], heights[1 - upper] = middle + apart / 2, middle - apart / 2
    for (count, _), height, own in zip(ends, heights, looks, strict=True):
        style = {"align": "left", "bold": True, "offset": (10, 0), "colour": for_words(own.colour)}
        yield text([count], [height], [own.title], **style)


def ahead_forgotten(state: TwoMoonsState) -> TwoMoonsState:
    """The state without what its record holds beyond the present round."""
    return replace(state, asked=tuple(entry for entry in state.asked if entry[0] <= state.rounds))
