"""Fit q by hand, or let the optimiser do it: notebook 04's explorer. Its numbers come from `gaussian_fit`."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bal_course.explorers.gaussian_fit import (
    AXIS_RANGE,
    P_OVER_Q,
    PLANE,
    Q_OVER_P,
    TARGETS,
    Q,
    arrived,
    density,
    divergence,
    mean_and_scale,
    on_grid,
    one_step,
    upright,
)
from bal_scenes.base import Button, Choice, Event, Explorer, Scene, Toggle
from bal_scenes.scene import Panel, bar_axis, bars, heat, line, panel, points, rects, scene, text

CENTRE, FIRST, SECOND = range(3)  # ids of the handles
HANDLES = ("mean of q", "end of the first axis", "end of the second axis")
LONGEST_PATH, MOST = 30, 5.0  # moves that are kept; nats that the bars show
START: Q = (-0.6, 0.7, 1.0, 0.5, 0.0)


@dataclass(frozen=True, kw_only=True)
class FitQState:
    """The target, which divergence the optimiser lowers, q itself, and where q has been."""

    target: str = "correlated"
    direction: str = Q_OVER_P
    mean: tuple[float, float] = START[:2]
    first: float = START[2]
    second: float = START[3]
    rotation: float = START[4]
    mean_field: bool = False
    path: tuple[Q, ...] = (START,)

    def __post_init__(self) -> None:
        low, high = AXIS_RANGE
        for name, std in (("first", self.first), ("second", self.second)):
            if not low <= std <= high:
                raise ValueError(f"{name}: expected a standard deviation from {low} to {high}, got {std!r}")

    @property
    def q(self) -> Q:
        """q as it is drawn: without rotation where it is mean-field."""
        return (*self.mean, self.first, self.second, 0.0 if self.mean_field else self.rotation)

    @property
    def walk(self) -> tuple[Q, ...]:
        """The path with q at its end."""
        return self.path if self.path[-1:] == (self.q,) else (*self.path, self.q)

    def at(self, q: Q) -> "FitQState":
        """The state with another q, and the path as it was."""
        return replace(self, mean=q[:2], first=q[2], second=q[3], rotation=self.rotation if self.mean_field else q[4])

    def remembered(self) -> "FitQState":
        """The state with q written to the path."""
        return replace(self, path=self.walk[-LONGEST_PATH:])


def number(value: float) -> str:
    """Two decimals, with a typographic minus."""
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")


def gaps_of(state: FitQState) -> dict[str, float]:
    """Both divergences between q and the target, in nats."""
    return {name: divergence(state.q, state.target, name) for name in (Q_OVER_P, P_OVER_Q)}


class FitQ(Explorer):
    """A Gaussian q over a target, its ELBO under the log evidence, and both divergences; by hand or by gradient steps."""

    State = FitQState
    controls: ClassVar = (
        Choice("target", label="Target", options=tuple(TARGETS)),
        Choice("direction", label="Optimiser lowers", options=(Q_OVER_P, P_OVER_Q)),
        Toggle("mean_field", label="Mean field (axes upright)"),
        Button("step", label="Step", primary=True),
        Button("ten_steps", label="10 steps"),
    )

    def divergences(self) -> dict[str, float]:
        """Both divergences of the present q, in nats."""
        return gaps_of(self.state)

    def compute(self, state: FitQState) -> Scene:
        """The map with q on the left; on the right the bound, both divergences, and the path."""
        gaps = gaps_of(state)
        evidence = on_grid(state.target).log_evidence
        panels = (
            self._map(state),
            self._bound(evidence, gaps[Q_OVER_P]),
            self._both(gaps, state.direction),
            self._walk(state),
        )
        alt = (
            f"A {state.target} target as a map with the Gaussian q as two ellipses; beside it a bar of the ELBO below the log "
            "evidence, bars of both divergences, and the chosen divergence along the path of q"
        )
        return scene(*panels, alt=alt, status=self._status(state, evidence, gaps), width=940, height=560)

    def on_drag(self, state: FitQState, event: Event) -> FitQState:
        """Moves the mean, or the end of an axis: the first turns q, the second only stretches it."""
        x, y, first, second, rotation = state.q
        if event.point == CENTRE:
            moved = replace(state, mean=(round(event.x, 3), round(event.y, 3)))
        else:
            along, turn = np.array([event.x - x, event.y - y]) / 2, math.radians(rotation)
            if event.point == FIRST and not state.mean_field:
                rotation, first = upright(math.degrees(math.atan2(along[1], along[0]))), np.hypot(*along)
            elif event.point == FIRST:
                first = abs(along[0])
            else:
                second = abs(along @ (-math.sin(turn), math.cos(turn)))
            first, second = (round(float(np.clip(axis, *AXIS_RANGE)), 3) for axis in (first, second))
            moved = state.at((x, y, first, second, rotation))
        return moved.remembered() if event.kind == "drop" else moved

    def step(self, state: FitQState) -> FitQState:
        """One step of the optimiser."""
        q = one_step(state.q, state.target, state.direction, state.mean_field)
        return state if q == state.q else state.remembered().at(q).remembered()

    def ten_steps(self, state: FitQState) -> FitQState:
        """Ten steps, each of them kept in the path."""
        for _ in range(10):
            state = self.step(state)
        return state

    def _map(self, state: FitQState) -> Panel:
        plane = {"x": PLANE, "y": PLANE}
        mean_2, scale_2_2 = mean_and_scale(state.q)
        angles = np.linspace(0, 2 * np.pi, 90)
        circle_2_P = np.stack([np.cos(angles), np.sin(angles)])
        layers = [heat(density(state.target), **plane, colours="Blues")]
        walk_T_2 = np.array(state.walk)[:, :2]
        layers.append(line(*walk_T_2.T, colour="black", width=1.5, dash="dotted", label="path of the mean"))
        for radius, dash in ((1, "solid"), (2, "dashed")):
            ellipse_2_P = mean_2[:, None] + radius * scale_2_2 @ circle_2_P
            style = {"colour": "vermillion", "width": 2.5, "dash": dash, "label": f"q, {radius} std"}
            layers.append(line(*ellipse_2_P, **style))
        ends_2_2 = mean_2 + 2 * scale_2_2.T
        style = {"colour": "vermillion", "drag": True}
        layers.append(points(*mean_2[:, None], ids=[CENTRE], names=HANDLES[:1], size=15, **style))
        layers.append(points(*ends_2_2[:1].T, shape="square", ids=[FIRST], names=HANDLES[1:2], size=13, **style))
        layers.append(
            points(*ends_2_2[1:].T, shape="diamond", ids=[SECOND], names=HANDLES[2:], size=14, filled=False, **style)
        )
        words = {"title": "Drag the dot, the square, the diamond", "x_label": "w₁", "y_label": "w₂"}
        return panel(*layers, **plane, **words, box=(0, 0, 0.56, 1), equal=True, legend="bottom right")

    def _bound(self, evidence: float, gap: float) -> Panel:
        left, elbo = evidence - MOST, max(evidence - gap, evidence - MOST)
        words = f"ELBO {number(evidence - gap)}" + " (off the picture)" * (gap > MOST)
        style = {"align": "right", "offset": (-6, 0)}
        layers = [
            rects([left], [elbo], [-0.35], [0.35], colour="blue"),
            rects([elbo], [evidence], [-0.35], [0.35], colour="vermillion", hatch="/"),
            line([evidence, evidence], [-1.1, 1.1], colour="black", dash="dashed"),
            text([left], [0.72], words, align="left", offset=(6, 0), colour="blue", bold=True),
            text([evidence], [0.72], f"log evidence {number(evidence)}", **style),
            text([evidence], [-0.72], f"gap {number(gap)}", colour="vermillion", bold=True, **style),
        ]
        axes = {"x": (left, evidence + 0.35), "y": (-1.1, 1.1), "y_ticks": []}
        return panel(*layers, **axes, x_label="nats", title="The bound", box=(0.56, 0, 0.44, 0.33))

    def _both(self, gaps: dict[str, float], direction: str) -> Panel:
        heights_2 = np.clip(list(gaps.values()), 0, MOST)  # rounding may leave −1e-9
        chosen_2 = np.array([name == direction for name in gaps])
        layers = bars(
            np.stack([np.where(chosen_2, heights_2, 0), np.where(chosen_2, 0, heights_2)], axis=1),
            segments=("", ""),
            colours=("vermillion", "grey"),
        )
        layers.append(text(heights_2, [0, 1], [number(gap) for gap in gaps.values()], align="left", offset=(6, 0)))
        words = {"title": "Both divergences, in nats", "x_ticks": []}
        return panel(*layers, **bar_axis(tuple(gaps)), x=(0, MOST + 1), **words, box=(0.56, 0.33, 0.44, 0.24))

    def _walk(self, state: FitQState) -> Panel:
        found_T = np.minimum([divergence(q, state.target, state.direction) for q in state.walk], MOST)
        places_T = np.arange(len(found_T))
        layers = [line(places_T, found_T, colour="vermillion"), points(places_T, found_T, colour="vermillion", size=7)]
        axes = {"x": (-0.5, max(10, len(found_T)) + 0.5), "y": (0, max(1.0, found_T.max()) * 1.15)}
        words = {"title": f"{state.direction} along your path", "x_label": "moves", "y_label": "nats"}
        return panel(*layers, **axes, **words, box=(0.56, 0.57, 0.44, 0.43))

    def _status(self, state: FitQState, evidence: float, gaps: dict[str, float]) -> str:
        gap = gaps[Q_OVER_P]
        words = f"ELBO {number(evidence - gap)} + gap {number(gap)} = log evidence {number(evidence)} nats. "
        if arrived(state.q, state.target, state.direction, state.mean_field):
            return words + f"The optimiser stops here: no small move lowers {state.direction}."
        if state.direction == P_OVER_Q:
            return words + "Lowering KL(p ‖ q) needs averages over p, which a real posterior does not offer."
        return words + "The gap is KL(q ‖ p): raise the ELBO and it shrinks by as much."
