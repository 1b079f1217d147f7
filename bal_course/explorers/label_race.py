"""The learner against the strategies: who chooses the better labels, from the same start?"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from bal_course.explorers import moons
from bal_course.explorers.key import key_of
from bal_course.explorers.moons import NUM_POOL, PLANE, Setting, score_map, term_maps
from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Play, Preset, Scene, Slider, stage
from bal_scenes.scene import Panel, class_points, contour, heat, line, line_style, mark_style, panel, points, scene
from bal_utils.plotting import look_of

START, BUDGET, ROUND = 4, 12, 3  # labels at first; labels to choose; labels a strategy takes at once
ROUNDS = BUDGET // ROUND
RIVALS = {"margin": "margin", "bald": "BALD"}
YOU = "you"
FAR_APART = {  # seed -> what core-set chooses at noise 0.2
    5: (84, 101, 177, 167, 190, 192, 75, 191, 153, 72, 138, 105),
    6: (45, 97, 75, 107, 161, 89, 133, 140, 5, 18, 153, 37),
}


@dataclass(frozen=True, kw_only=True)
class LabelRaceState:
    """`picks` are the learner's labels in order; `scored` says that the race is run: then the curves are shown up to
    `round`, and the map with the labels of `shown`.
    """

    noise: float = 0.2
    seed: int = 5
    picks: tuple[int, ...] = ()
    scored: bool = False
    round: int = ROUNDS
    shown: str = YOU

    @property
    def labelled(self) -> tuple[int, ...]:
        """The labels on the map in the order in which they were chosen."""
        if not self.scored:
            return self.picks
        return picks_of(self, self.shown)[: ROUND * self.round]


def picks_of(state: LabelRaceState, name: str) -> tuple[int, ...]:
    """All twelve labels of the learner or of a rival."""
    strategy = next((strategy for strategy, rival in RIVALS.items() if rival == name), None)
    return state.picks if strategy is None else rival_picks(state.noise, state.seed, strategy)


def known_after(state: LabelRaceState, picks: tuple[int, ...]) -> tuple[int, ...]:
    """The first labels and some picks, sorted."""
    return tuple(sorted({*moons.first_labels(state.noise, state.seed, START), *picks}))


@stage
def rival_picks(noise: float, seed: int, strategy: str) -> tuple[int, ...]:
    """What a strategy labels from the same start, with an ensemble, three at a time."""
    first, picks = moons.first_labels(noise, seed, START), ()
    while len(picks) < BUDGET:
        fitted = Setting(noise, seed, tuple(sorted((*first, *picks))), "ensemble", 0.0)
        picks += tuple(moons.next_batch(strategy, moons.sample(fitted), fitted.labelled, ROUND, seed).indices)
    return picks


@stage
def rival_curves(noise: float, seed: int) -> dict[str, np.ndarray]:
    """Worth after 0, 3, … 12 labels: of the strategies, and of five random orders on average."""
    first, counts = tuple(sorted(moons.first_labels(noise, seed, START))), tuple(range(0, BUDGET + 1, ROUND))
    curves = {"random": moons.random_band(noise, seed, first, counts).mean(axis=0)}
    for strategy, name in RIVALS.items():
        picks = rival_picks(noise, seed, strategy)
        sets = tuple(tuple(sorted((*first, *picks[:count]))) for count in counts)
        curves[name] = np.array(moons.worths(noise, seed, sets))
    return curves


def own_curve(state: LabelRaceState) -> np.ndarray:
    """The worth of the learner's labels after each third of them."""
    counts = range(0, len(state.picks) + 1, ROUND)
    return np.array([moons.worth(state.noise, state.seed, known_after(state, state.picks[:count])) for count in counts])


class LabelRace(Explorer):
    """Twelve labels are yours to choose. Then see what margin, BALD and chance make of the same start."""

    State = LabelRaceState
    hand: ClassVar = "click a small dot to label it · Shift-click takes back"
    controls: ClassVar = (
        Button("score", label="Score", slow=True, primary=True),
        Choice("shown", label="Labels of", options=(YOU, *RIVALS.values())),
        IntSlider("seed", label="Seed", low=0, high=20, continuous=False),
        Slider("noise", label="Noise", low=0.0, high=0.5, step=0.05, continuous=False, more=True),
        IntSlider("round", label="Round", low=0, high=ROUNDS),
    )
    slow_fields: ClassVar = frozenset({"noise", "seed", "picks", "shown"})
    presets: ClassVar = (
        Preset("Twelve points far apart: who wins?", {"picks": FAR_APART[5], "scored": True}),
        Preset("What does margin buy?", {"picks": FAR_APART[5], "scored": True, "shown": "margin"}),
        Preset("What does BALD buy?", {"picks": FAR_APART[5], "scored": True, "shown": "BALD"}),
        Preset("Who wins on other moons?", {"seed": 6, "picks": FAR_APART[6], "scored": True}),
    )
    play: ClassVar = Play("round", label="Round", seconds=0.8)

    def moments(self, state: LabelRaceState) -> range:
        """The rounds of the race; before *Score* there is none to play."""
        return range(ROUNDS + 1) if state.scored else range(state.round, state.round + 1)

    def compute(self, state: LabelRaceState) -> Scene:
        """The points with the committee's doubt, and the curves."""
        status = self._verdict(state) if state.scored else self._progress(state)
        alt = f"Two moons with {START + len(state.picks)} labelled points, and curves of what the labels are worth"
        curves = self._curves(state)
        key = key_of(curves, (0.58, 0.73, 0.42, 0.27))
        return scene(self._map(state), curves, key, alt=alt, status=status, width=940, height=480)

    def check(self, state: LabelRaceState) -> None:
        """Raises ValueError for picks that the game does not allow."""
        allowed = len(set(state.picks)) == len(state.picks) <= BUDGET
        if not allowed or not all(0 <= pick < NUM_POOL for pick in state.picks):
            raise ValueError(f"picks: expected up to {BUDGET} different points of the pool, got {state.picks}")

    def move(self, field: str, value: Any) -> None:
        """Moves a control. Other moons are another race: the labels of the last one are given back."""
        if field in ("shown", "round"):
            return super().move(field, value)
        with self.lock:
            self._try(lambda state: replace(state, **{field: value}, picks=(), scored=False), remember=True)

    def on_click(self, state: LabelRaceState, event: Event) -> LabelRaceState:
        """Labels a point; with Shift takes the label back."""
        if event.point is None:
            return state
        if state.scored and state.shown != YOU:
            raise ValueError(f"These are the labels of {state.shown}. Choose yours to change them.")
        if event.shift and event.point in state.picks:
            return replace(state, picks=tuple(pick for pick in state.picks if pick != event.point), scored=False)
        if event.point in known_after(state, state.picks):
            raise ValueError("This point has its label. Shift and a click take one of yours back.")
        if len(state.picks) == BUDGET:
            raise ValueError(f"Your {BUDGET} labels are spent. Press Score, or take one back with Shift and a click.")
        return replace(state, picks=(*state.picks, event.point), scored=False)

    def score(self, state: LabelRaceState) -> LabelRaceState:
        """Shows what the others would have made of the same start."""
        if len(state.picks) < BUDGET:
            raise ValueError(f"Choose {BUDGET - len(state.picks)} more points first: all must have the same number.")
        return replace(state, scored=True)

    def _map(self, state: LabelRaceState) -> Panel:
        data, known = moons.moons(state.noise, state.seed), list(known_after(state, state.labelled))
        fitted = Setting(state.noise, state.seed, tuple(known), "ensemble", 0.0)
        rest = [index for index in range(NUM_POOL) if index not in known]
        probs = term_maps(fitted, moons.MEMBERS)[3]
        layers = [
            heat(score_map(fitted, moons.MEMBERS, "entropy"), **PLANE, low=0, top=float(np.log(2)), bar="doubt (nats)"),
            contour(probs, 0.5, **PLANE, colour="black", width=3),
            points(*data.pool_P_2[rest].T, size=8, colour="grey", filled=False, ids=rest, names=opinions(fitted, rest)),
            *class_points(data.pool_P_2[known], data.labels_P[known], ids=known, size=15),
        ]  # fmt: skip
        if state.scored and state.labelled:
            rounds = [str(place // ROUND + 1) for place in range(len(state.labelled))]
            bought = data.pool_P_2[list(state.labelled)].T
            layers.append(points(*bought, shape="ring", size=22, colour="black", labels=rounds))
        whose = "your labels" if state.shown == YOU or not state.scored else f"the labels of {state.shown}"
        title = f"A committee's doubt, given {whose}"
        return panel(*layers, **PLANE, box=(0, 0, 0.58, 1), title=title, x_ticks=(), y_ticks=(), legend="bottom left")

    def _curves(self, state: LabelRaceState) -> Panel:
        curves = rival_curves(state.noise, state.seed) if state.scored else {}
        curves = {**curves, YOU: own_curve(state)}
        lowest = min(0.7, min(values.min() for values in curves.values()) - 0.02)
        layers = []
        for name, whole in curves.items():
            values = whole[: state.round + 1] if state.scored else whole
            at, look, yours = START + ROUND * np.arange(len(values)), look_of(name), name == YOU
            layers += [line(at, values, width=3 if yours else 2, **line_style(look))]
            layers += [points(at, values, size=14 if yours else 10, label=name, **mark_style(look))]
        return panel(*layers, x=(START - 1, START + BUDGET + 1), y=(lowest, 1.0), box=(0.58, 0, 0.42, 0.75),
                     x_label="labels", y_label="accuracy", legend="", title="What labels are worth")  # fmt: skip

    def _progress(self, state: LabelRaceState) -> str:
        left = BUDGET - len(state.picks)
        return (
            f"{left} label{'s' * (left > 1)} left to choose: click points."
            if left
            else "All labels are chosen. Press Score."
        )

    def _verdict(self, state: LabelRaceState) -> str:
        means = {name: values[1:].mean() for name, values in rival_curves(state.noise, state.seed).items()}
        own = own_curve(state)[1:].mean()
        beaten = [name for name, mean in means.items() if own > mean]
        told = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        if len(beaten) == len(means):
            beaten = ["all three"]
        ahead = f"You are ahead of {' and '.join(beaten)}." if beaten else "All three are ahead of you."
        return f"{ahead} Accuracy, averaged over the race: you {own:.3f}, {told}. One race is luck; try other seeds."


def opinions(fitted: Setting, indices: list[int]) -> list[str]:
    """What the committee thinks of points of the pool, for those who hear the picture."""
    places = moons.moons(fitted.noise, fitted.seed).pool_P_2[indices].tolist()
    votes_P_K = moons.sample(fitted).first(moons.MEMBERS).pool_P_K_C[indices].argmax(dim=-1)
    told = []
    for (x, y), votes_K in zip(places, votes_P_K.tolist(), strict=True):
        ones = sum(votes_K)
        said = f"agree on class {votes_K[0]}" if ones in (0, len(votes_K)) else f"are divided, {ones} for class 1"
        told.append(f"point at {x:.1f}, {y:.1f}: the networks {said}".replace("-", "−"))
    return told
