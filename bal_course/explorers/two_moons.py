"""Where does each strategy look? The whole loop on two moons, one click at a time.

First the state, and what follows from it: labels, the next batch, the doubt at a place, the curve; then the pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bal_course.explorers import moons
from bal_course.explorers.moons import (
    COLUMNS,
    MEMBERS,
    NUM_POOL,
    PLANE,
    POSTERIORS,
    ROWS,
    STRATEGIES,
    Setting,
    score_map,
    term_maps,
)
from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Scene, Slider, Toggle, stage
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
)
from bal_utils.plotting import look_of

Place = tuple[float, float]
MapContents = tuple[str, Layer, tuple[int, ...]]  # title, heat map, the points that are asked for
TITLES = {name: title for title, name in STRATEGIES.items()}
TERMS = ("all doubt", "noise", "what a label teaches")
LOG_2 = float(np.log(2))
FLAT = 1e-4  # scores that differ by less are rounding errors: no colours for them
LOW = (0.0, 0.62, 0.42, 0.38), (0.42, 0.62, 0.58, 0.38)  # where bars and curve stand
RIGHT = (0.6, 0.0, 0.4, 0.42), (0.6, 0.42, 0.4, 0.58)
NUMBER = 0.4, 0.28  # width and height of a number on the smallest map, in units of the plane
MAP_BOXES = {  # the third of three maps also holds the colour bar: its box is wider, so that the maps are of one size
    1: ((0, 0, 0.6, 1),),
    2: ((0, 0, 0.5, 0.62), (0.5, 0, 0.5, 0.62)),
    3: ((0, 0, 0.306, 0.62), (0.306, 0, 0.306, 0.62), (0.612, 0, 0.388, 0.62)),
}
WITH = dict(zip(POSTERIORS, ("MC-dropout", "the ensemble", "Laplace", "one network"), strict=True))
GOAL = 30  # labels at which Run stops
SURE, MAIN = 0.15, 0.6  # nats of all doubt below which a place is settled; share that makes one term the main one


@dataclass(frozen=True, kw_only=True)
class TwoMoonsState:
    """`asked` are pool points labelled since the start, in order; `dropped` are first labels that were taken back."""

    noise: float = 0.2
    seed: int = 3
    start: int = 6
    posterior: str = "MC-dropout"
    samples: int = 20
    dropout: float = 0.2
    strategy: str = "bald"
    compare: str = ""
    batch: int = 1
    terms: bool = False
    asked: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    at: tuple[float, float] | None = None


def labelled(state: TwoMoonsState, count: int | None = None) -> tuple[int, ...]:
    """The labelled pool points, sorted; with `count`, those that were there after so many questions."""
    first = set(moons.first_labels(state.noise, state.seed, state.start)) - set(state.dropped)
    return tuple(sorted(first | set(state.asked[:count])))


def setting(state: TwoMoonsState) -> Setting:
    """What the networks depend on; only MC-dropout trains with dropout, so p must not make the others train again."""
    dropout = state.dropout if state.posterior == "MC-dropout" else 0.0
    return Setting(state.noise, state.seed, labelled(state), state.posterior, dropout)


@stage
def _chosen_batch(fitted: Setting, count: int, strategy: str, batch: int) -> tuple[int, ...]:
    """What the strategy would ask for, best first; empty where everything is labelled."""
    samples = moons.sample(fitted).first(count)
    return tuple(moons.next_batch(strategy, samples, fitted.labelled, batch, fitted.seed).indices)


def batch_of(state: TwoMoonsState, strategy: str | None = None) -> tuple[int, ...]:
    """What the state's strategy, or another one, would ask for."""
    return _chosen_batch(setting(state), state.samples, strategy or state.strategy, state.batch)


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


def _terms_at(state: TwoMoonsState, place: Place) -> Terms:
    """The terms in the map's cell around a place."""
    column, row = (
        int(np.clip((value - low) / (high - low) * count, 0, count - 1))
        for value, (low, high), count in zip(place, PLANE.values(), (COLUMNS, ROWS), strict=True)
    )
    _, noise, taught, prob = term_maps(setting(state), state.samples)[:, row, column]
    return Terms(noise=float(noise), taught=max(float(taught), 0.0), prob=float(prob))


def history(state: TwoMoonsState) -> tuple[list[int], list[float]]:
    """Numbers of labels along the run, one a batch, and what those labels were worth."""
    last = len(state.asked)
    known = [labelled(state, count) for count in range(last + 1) if count % state.batch == 0 or count == last]
    known = [points for points in known if points]
    return [len(points) for points in known], [moons.worth(state.noise, state.seed, points) for points in known]


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


def legible(x_B: np.ndarray, y_B: np.ndarray) -> list[str]:
    """The numbers of a batch, left out where a number would lie on an earlier one."""
    shown: list[tuple[float, float]] = []
    words = []
    for rank, (x, y) in enumerate(zip(x_B, y_B, strict=True), start=1):
        free = all(abs(x - other_x) > NUMBER[0] or abs(y - other_y) > NUMBER[1] for other_x, other_y in shown)
        words.append(str(rank) if free else "")
        shown += [(x, y)] if free else []
    return words


class TwoMoons(Explorer):
    """Label points on two moons, see what each strategy would ask, and let it ask."""

    State = TwoMoonsState
    controls: ClassVar = (
        Choice("strategy", label="Strategy", options=STRATEGIES),
        Choice("compare", label="compare with", options={"nothing": "", **STRATEGIES}),
        Choice("posterior", label="Posterior", options=POSTERIORS),
        Toggle("terms", label="Show terms"),
        IntSlider("samples", label="Samples T", low=1, high=moons.MOST_SAMPLES),
        Slider("dropout", label="Dropout p", low=0.0, high=0.9, step=0.1, continuous=False),
        Slider("noise", label="Noise", low=0.0, high=0.5, step=0.05, continuous=False),
        IntSlider("seed", label="Seed", low=0, high=20, continuous=False),
        IntSlider("start", label="First labels", low=2, high=20, continuous=False),
        IntSlider("batch", label="Batch", low=1, high=20),
        Button("step", label="Step", slow=True, primary=True),
        Button("run", label=f"Run to {GOAL}", slow=True),
    )
    slow_fields: ClassVar = frozenset({"posterior", "dropout", "noise", "seed", "start", "asked", "dropped"})

    def compute(self, state: TwoMoonsState) -> Scene:
        """One map, two beside each other, or the three terms; then what is known about one place, and the curve."""
        batch = batch_of(state)
        place = self._place(state, batch)
        maps = self._maps(state, batch)
        wide = len(maps) > 1
        boxes = LOW if wide else RIGHT
        beside = self._place_bars(state, place, boxes[0]), self._curve(state, boxes[1])
        alt = f"Two moons with {len(labelled(state))} labelled points; a map shows where {TITLES[state.strategy]} looks"
        return scene(*maps, *beside, alt=alt, status=self._status(state, batch, place), width=940, height=540)

    def check(self, state: TwoMoonsState) -> None:
        """Raises ValueError for points that the pool does not have."""
        for name in ("asked", "dropped"):
            found = getattr(state, name)
            if len(set(found)) < len(found) or not all(0 <= index < NUM_POOL for index in found):
                raise ValueError(f"{name}: expected different points of the pool, 0 to {NUM_POOL - 1}, got {found}")

    def on_click(self, state: TwoMoonsState, event: Event) -> TwoMoonsState:
        """Labels a point; with Shift, or on a labelled one, takes its label back."""
        if event.point is None:
            return replace(state, at=None if event.x is None else (round(event.x, 2), round(event.y, 2)))
        known = labelled(state)
        if event.point not in known:
            return replace(state, asked=(*state.asked, event.point), at=None)
        if not event.shift:
            raise ValueError("This point has its label. Click with Shift to take the label back.")
        if len(known) == 1:
            raise ValueError("The last label stays: without any there is nothing to train on.")
        asked = tuple(index for index in state.asked if index != event.point)
        first = moons.first_labels(state.noise, state.seed, state.start)
        dropped = (*state.dropped, event.point) if event.point in first else state.dropped
        return replace(state, asked=asked, dropped=dropped, at=None)

    def on_hover(self, state: TwoMoonsState, event: Event) -> TwoMoonsState:
        """Shows the three terms at the place under the pointer."""
        on_map = event.panel is not None and event.panel < len(self._names(state)) and event.x is not None
        inside = on_map and PLANE["x"][0] <= event.x <= PLANE["x"][1] and PLANE["y"][0] <= event.y <= PLANE["y"][1]
        return replace(state, at=(round(event.x, 2), round(event.y, 2)) if inside else None)

    def step(self, state: TwoMoonsState) -> TwoMoonsState:
        """Labels the batch that the strategy asks for."""
        batch = batch_of(state)
        if not batch:
            raise ValueError("Every point of the pool is labelled: there is nothing left to ask.")
        return replace(state, asked=(*state.asked, *batch), at=None)

    def run(self, state: TwoMoonsState) -> TwoMoonsState:
        """Steps until there are thirty labels."""
        if len(labelled(state)) >= GOAL:
            raise ValueError(f"There are {len(labelled(state))} labels already; Run goes to {GOAL}. Step goes on.")
        while (missing := GOAL - len(labelled(state))) > 0:
            state = replace(self.step(replace(state, batch=min(state.batch, missing))), batch=state.batch)
        return state

    def _names(self, state: TwoMoonsState) -> tuple[str, ...]:
        """What each map shows: a strategy, or a term."""
        if state.terms:
            return TERMS
        return (state.strategy, state.compare) if state.compare else (state.strategy,)

    def _maps(self, state: TwoMoonsState, batch: tuple[int, ...]) -> list[Panel]:
        shown = list(self._terms_shown(state, batch) if state.terms else self._scores_shown(state, batch))
        probs = term_maps(setting(state), state.samples)[3]
        boundary = [
            contour(probs, 0.5, **PLANE, colour="black", width=3),
            contour(probs, (0.25, 0.75), **PLANE, colour="black", width=1),
        ]
        cross = []
        if state.at is not None:
            cross = [points([state.at[0]], [state.at[1]], shape="cross", size=16, colour="vermillion")]
        panels = []
        for number, (title, values, asked) in enumerate(shown):
            layers = [values, *boundary, *self._points(state, asked), *cross]
            legend = "bottom left" if number == 0 and len(shown) < 3 else ""
            box = MAP_BOXES[len(shown)][number]
            panels.append(panel(*layers, **PLANE, box=box, title=title, x_ticks=(), y_ticks=(), legend=legend))
        return panels

    def _terms_shown(self, state: TwoMoonsState, batch: tuple[int, ...]) -> Iterator[MapContents]:
        """The three terms in one scale of colours, whose bar stands at the last."""
        for title, values in zip(TERMS, term_maps(setting(state), state.samples), strict=False):
            yield title, heat(values, **PLANE, low=0, top=LOG_2, bar="nats" if title == TERMS[-1] else None), batch

    def _scores_shown(self, state: TwoMoonsState, batch: tuple[int, ...]) -> Iterator[MapContents]:
        """Each strategy's scores in a scale of their own, and what it asks for."""
        for name in self._names(state):
            values = score_map(setting(state), state.samples, name)
            high = max(values.max(), values.min() + FLAT)
            asked = batch if name == state.strategy else batch_of(state, name)
            yield TITLES[name], heat(values, **PLANE, top=high, bar=None if state.compare else "score"), asked

    def _points(self, state: TwoMoonsState, batch: tuple[int, ...]) -> list[Layer]:
        data, known = moons.moons(state.noise, state.seed), list(labelled(state))
        taken = {*known, *batch}
        rest = [index for index in range(NUM_POOL) if index not in taken]
        layers = [
            points(*data.pool_P_2[rest].T, size=7, colour="grey", filled=False, ids=rest,
                   names=[f"unlabelled point {index}" for index in rest]),
            *class_points(data.pool_P_2[known], data.labels_P[known], ids=known, size=15),
        ]  # fmt: skip
        if batch:
            x, y = data.pool_P_2[list(batch)].T
            names = [f"asked for as number {rank}" for rank in range(1, len(batch) + 1)]
            numbers = legible(x, y) if len(batch) > 1 else None
            layers += [
                points(x, y, size=7, colour="grey", filled=False, ids=batch, names=names),
                points(x, y, shape="ring", size=24 if len(batch) < 8 else 16, colour="vermillion", labels=numbers,
                       label="asked for next"),
            ]  # fmt: skip
        return layers

    def _place(self, state: TwoMoonsState, batch: tuple[int, ...]) -> Place | None:
        """The place that is described: the one pointed at, else the first that is asked for."""
        if state.at is not None or not batch:
            return state.at
        return tuple(moons.moons(state.noise, state.seed).pool_P_2[batch[0]].tolist())

    def _place_bars(self, state: TwoMoonsState, place: Place | None, box: tuple) -> Panel:
        found = Terms(noise=0.0, taught=0.0, prob=0.5) if place is None else _terms_at(state, place)
        values = [[found.total, 0, 0], [0, found.noise, 0], [0, 0, found.taught]]
        layers = bars(values, segments=TERMS, colours=["black", "orange", "blue"], totals="{:.2f}")
        for layer in layers:
            layer["label"] = ""
        where = "no place" if place is None else "({:.1f}, {:.1f})".format(*(round(value, 1) + 0 for value in place))
        axes = bar_axis(TERMS) | {"x": (0, 1.0)}
        return panel(*layers, **axes, box=box, title=f"Doubt at {where}", x_label="nats")

    def _curve(self, state: TwoMoonsState, box: tuple) -> Panel:
        counts, values = history(state)
        begin = labelled(state, 0)
        ahead = max(GOAL, counts[-1]) - len(begin)
        further = tuple(sorted({round(ahead * share) for share in (0, 0.25, 0.5, 0.75, 1)}))
        layers, random, own = [], look_of("random"), look_of(state.strategy)
        if begin and ahead > 0:
            worths_R_M = moons.random_band(state.noise, state.seed, begin, further)
            at = np.array(further) + len(begin)
            layers += [
                band(
                    at, worths_R_M.min(axis=0), worths_R_M.max(axis=0), colour=random.colour, label="random, five runs"
                ),
                line(at, worths_R_M.mean(axis=0), **line_style(random)),
            ]
        layers += [line(counts, values, width=3, colour=own.colour)]
        layers += [points(counts, values, size=8, label=f"{TITLES[state.strategy]}, this run", **mark_style(own))]
        lowest = min(0.7, min(values) - 0.02)
        x = (min(counts) - 1, max(GOAL, counts[-1]) + 1)
        if box == LOW[1]:
            lowest -= 0.25  # a flat picture needs room for its legend
        return panel(*layers, x=x, y=(lowest, 1.0), box=box, x_label="labels", y_label="accuracy", legend="bottom right",
                     title="What these labels are worth")  # fmt: skip

    def _status(self, state: TwoMoonsState, batch: tuple[int, ...], place: Place | None) -> str:
        accuracy = moons.accuracy(moons.sample(setting(state)).first(state.samples), state.noise, state.seed)
        right = f"{100 * accuracy:.1f} % of new points come out right"
        count = len(labelled(state))
        begin = f"{count} label{'s' * (count > 1)}. With {WITH[state.posterior]}, {right}."
        if state.posterior == "ensemble" and state.samples > MEMBERS:
            begin += f" It has {MEMBERS} members, all in use."
        if place is None:
            return f"{begin} Every point is labelled."
        why = kind_of_place(_terms_at(state, place), alone=state.samples == 1 or state.posterior == "one network")
        if state.at is not None:
            return f"{begin} Here, {why}."
        return f"{begin} {TITLES[state.strategy]} asks next where {why}."
