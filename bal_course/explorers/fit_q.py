"""Fit q by hand, or let the optimiser do it: targets in the plane, the ELBO of a Gaussian q, both divergences, one step uphill.

All numbers are exact to far more digits than are shown: expectations under q by quadrature, those under the target on a grid.
Dimensions: K nodes of the quadrature, G places of the grid, R C rows and columns of the map, T places along the path.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy import ndarray
from scipy.linalg import expm

from bal_scenes.base import Button, Choice, Event, Explorer, IntSlider, Play, Preset, Scene, Toggle, stage
from bal_scenes.maps import centres
from bal_scenes.scene import Panel, bar_axis, bars, heat, line, panel, points, rects, scene, text
from bal_utils.checks import check_number

PLANE = (-4.0, 4.0)  # both coordinates of the map, and of q's mean
AXIS_RANGE = (0.1, 3.0)  # standard deviations that q's axes may have
Q_OVER_P, P_OVER_Q = "KL(q ‖ p)", "KL(p ‖ q)"
Q = tuple[float, float, float, float, float]  # mean x, mean y, std along both axes, rotation of the first in degrees

CENTRE, FIRST, SECOND = range(3)  # ids of the handles
HANDLES = ("mean of q", "end of the first axis", "end of the second axis")
LONGEST_PATH, MOST_STEPS, MOST = 30, 40, 5.0  # moves by hand that are kept; steps that ▶ takes; nats that the bars show
START: Q = (-0.6, 0.7, 1.0, 0.5, 0.0)


def _log_correlated(w: torch.Tensor) -> torch.Tensor:
    """Both standard deviations 1.3, correlation 0.9."""
    return -(w.square().sum(-1) - 1.8 * w.prod(-1)) / (2 * 1.3**2 * (1 - 0.9**2))


def _log_banana(w: torch.Tensor) -> torch.Tensor:
    """x is normal, and y is normal about a parabola in x."""
    x, y = w.unbind(-1)
    return -0.5 * ((x / 1.2).square() + ((y - 0.7 * x.square() + 1.2) / 0.5).square())


def _log_two_bumps(w: torch.Tensor) -> torch.Tensor:
    """Two round bumps, 65 % and 35 % of the mass."""
    centre = w.new_tensor([1.6, 0.8])
    exponents = [-(w - side * centre).square().sum(-1) / (2 * 0.6**2) for side in (-1, 1)]
    return torch.logaddexp(math.log(0.65) + exponents[0], math.log(0.35) + exponents[1])


TARGETS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "correlated": _log_correlated,
    "banana": _log_banana,
    "two bumps": _log_two_bumps,
}
# expectations under a Gaussian by the trapezoid rule: exact to rounding for what is smooth on the scale of 0.25 std
_line = np.linspace(-6.5, 6.5, 53)
NODES_K_2 = np.stack(np.meshgrid(_line, _line), axis=-1).reshape(-1, 2)
WEIGHTS_K = np.exp(-0.5 * (NODES_K_2**2).sum(axis=1))
WEIGHTS_K /= WEIGHTS_K.sum()


class Target(NamedTuple):
    """What a fine grid knows of a target: the constant, the moments and the entropy that no real posterior shows."""

    log_evidence: float
    mean_2: ndarray
    covariance_2_2: ndarray
    entropy: float


def log_joint(name: str, places: ndarray) -> ndarray:
    """The unnormalised log density at places [..., 2]."""
    return TARGETS[name](torch.from_numpy(places)).numpy()


@stage
def on_grid(name: str) -> Target:
    """Evidence, moments and entropy by adding up a grid that holds all of the mass."""
    x, y = np.arange(-8, 8, 0.05), np.arange(-8, 36, 0.05)  # the banana's ends reach far up
    places_G_2 = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    log_joint_G = log_joint(name, places_G_2)
    log_sum = np.logaddexp.reduce(log_joint_G)
    log_evidence, mass_G = float(log_sum + 2 * math.log(0.05)), np.exp(log_joint_G - log_sum)
    mean_2 = mass_G @ places_G_2
    covariance_2_2 = (mass_G[:, None] * (places_G_2 - mean_2)).T @ (places_G_2 - mean_2)
    return Target(log_evidence, mean_2, covariance_2_2, log_evidence - float(mass_G @ log_joint_G))


@stage
def density(name: str) -> ndarray:
    """density_R_C for the map."""
    side = centres(*PLANE, 60)
    return np.exp(log_joint(name, np.stack(np.meshgrid(side, side), axis=-1)) - on_grid(name).log_evidence)


def mean_and_scale(q: Q) -> tuple[ndarray, ndarray]:
    """mean_2 and scale_2_2, whose columns are the axes: w = mean + scale ε."""
    x, y, first, second, rotation = q
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    return np.array([x, y]), np.array([[first * cos, -second * sin], [first * sin, second * cos]])


def elbo(q: Q, name: str) -> float:
    """The bound in nats: E_q[log joint] + entropy."""
    mean_2, scale_2_2 = mean_and_scale(q)
    entropy = math.log(q[2] * q[3]) + math.log(2 * math.pi * math.e)
    return float(WEIGHTS_K @ log_joint(name, mean_2 + NODES_K_2 @ scale_2_2.T)) + entropy


@lru_cache(maxsize=1024)
def divergence(q: Q, name: str, direction: str) -> float:
    """In nats: what is missing from the ELBO, or the other way round from the target's moments."""
    target = on_grid(name)
    if direction == Q_OVER_P:
        return target.log_evidence - elbo(q, name)
    shift_2, spread_2_2 = _seen_from(q, target)
    squares = (spread_2_2**2).sum() + (shift_2**2).sum()
    return -target.entropy + math.log(2 * math.pi) + math.log(q[2] * q[3]) + float(squares) / 2


def _seen_from(q: Q, target: Target) -> tuple[ndarray, ndarray]:
    """The target's mean and a root of its covariance in q's own coordinates, where q is N(0, I)."""
    mean_2, scale_2_2 = mean_and_scale(q)
    root_2_2 = np.linalg.cholesky(target.covariance_2_2)
    return np.linalg.solve(scale_2_2, target.mean_2 - mean_2), np.linalg.solve(scale_2_2, root_2_2)


@stage
def uphill(q: Q, name: str, direction: str, mean_field: bool) -> tuple[ndarray, ndarray]:
    """How to move and stretch q, in q's own axes, to lower the divergence fastest: shift_2 and symmetric stretch_2_2.

    For KL(q ‖ p) this is the reparametrised gradient: the slope of the log joint at w = mean + scale ε, averaged over ε.
    """
    if direction == Q_OVER_P:
        mean_2, scale_2_2 = mean_and_scale(q)
        places_K_2 = torch.from_numpy(mean_2 + NODES_K_2 @ scale_2_2.T).requires_grad_()
        (slope_K_2,) = torch.autograd.grad(TARGETS[name](places_K_2).sum(), places_K_2)
        slope_K_2 = WEIGHTS_K[:, None] * (slope_K_2.numpy() @ scale_2_2)
        shift_2, stretch_2_2 = slope_K_2.sum(axis=0), slope_K_2.T @ NODES_K_2 + np.eye(2)
    else:
        shift_2, spread_2_2 = _seen_from(q, on_grid(name))
        stretch_2_2 = spread_2_2 @ spread_2_2.T + np.outer(shift_2, shift_2) - np.eye(2)
    stretch_2_2 = (stretch_2_2 + stretch_2_2.T) / 2
    return shift_2, np.diag(np.diag(stretch_2_2)) if mean_field else stretch_2_2


def arrived(q: Q, name: str, direction: str, mean_field: bool) -> bool:
    """Whether no small move of q lowers the divergence noticeably."""
    shift_2, stretch_2_2 = uphill(q, name, direction, mean_field)
    return max(np.abs(shift_2).max(), np.abs(stretch_2_2).max()) < 0.01


def one_step(q: Q, name: str, direction: str, mean_field: bool) -> Q:
    """q after one step uphill, halved until the divergence falls; q itself where no step lowers it."""
    shift_2, stretch_2_2 = uphill(q, name, direction, mean_field)
    mean_2, scale_2_2 = mean_and_scale(q)
    for rate in 0.5 ** np.arange(1, 10):
        moved = as_q(mean_2 + rate * scale_2_2 @ shift_2, scale_2_2 @ expm(rate / 2 * stretch_2_2), q[4])
        if divergence(moved, name, direction) < divergence(q, name, direction):
            return moved
    return q


@lru_cache(maxsize=4096)
def after_steps(q: Q, name: str, direction: str, mean_field: bool, steps: int) -> Q:
    """q after so many steps uphill; it stays where the optimiser has arrived."""
    if steps == 0:
        return q
    before = after_steps(q, name, direction, mean_field, steps - 1)
    return before if arrived(before, name, direction, mean_field) else one_step(before, name, direction, mean_field)


def as_q(mean_2: ndarray, scale_2_2: ndarray, rotation: float) -> Q:
    """A Gaussian by mean, axes and rotation, its first axis the one nearest to the present rotation."""
    variances_2, axes_2_2 = np.linalg.eigh(scale_2_2 @ scale_2_2.T)
    turn = math.radians(rotation)
    first = int(np.argmax(np.abs(np.array([math.cos(turn), math.sin(turn)]) @ axes_2_2)))
    stds_2 = np.sqrt(np.clip(variances_2[[first, 1 - first]], AXIS_RANGE[0] ** 2, AXIS_RANGE[1] ** 2))
    found = math.degrees(math.atan2(axes_2_2[1, first], axes_2_2[0, first]))
    return (*(round(float(value), 4) for value in (*np.clip(mean_2, *PLANE), *stds_2)), upright(found))


def upright(degrees: float) -> float:
    """The same axis as an angle from -90 to 90."""
    return round((degrees + 90) % 180 - 90, 2) + 0.0


@dataclass(frozen=True, kw_only=True)
class FitQState:
    """The target, which divergence the optimiser lowers, where q starts, the optimiser's steps, and where q has been."""

    target: str = "correlated"
    direction: str = Q_OVER_P
    mean: tuple[float, float] = START[:2]
    first: float = START[2]
    second: float = START[3]
    rotation: float = START[4]
    mean_field: bool = False
    steps: int = 0
    path: tuple[Q, ...] = (START,)

    def __post_init__(self) -> None:
        for axis in ("first", "second"):
            check_number(axis, getattr(self, axis), at_least=AXIS_RANGE[0], at_most=AXIS_RANGE[1])

    @property
    def q(self) -> Q:
        """q as it is drawn: after the optimiser's steps."""
        return self.after(self.steps)

    def after(self, steps: int) -> Q:
        """q after so many steps from its start, which has no rotation where it is mean-field."""
        start = (*self.mean, self.first, self.second, 0.0 if self.mean_field else self.rotation)
        return after_steps(start, self.target, self.direction, self.mean_field, steps)

    @property
    def walk(self) -> tuple[Q, ...]:
        """The path, and the optimiser's steps after it."""
        places = (*self.path, *(self.after(step) for step in range(self.steps + 1)))
        return tuple(q for q, before in zip(places, (None, *places), strict=False) if q != before)

    def at(self, q: Q) -> "FitQState":
        """The state that starts at another q, and the path as it was."""
        rotation = self.rotation if self.mean_field else q[4]
        return replace(self, mean=q[:2], first=q[2], second=q[3], rotation=rotation, steps=0)

    def remembered(self) -> "FitQState":
        """The state that starts where q is, with all its moves written to the path."""
        return replace(self.at(self.q), path=self.walk[-LONGEST_PATH:])


def _begun(state: FitQState) -> FitQState:
    return replace(state, path=(state.q,))


def number(value: float) -> str:
    """Two decimals, with a typographic minus."""
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")


def _gaps_of(state: FitQState) -> dict[str, float]:
    """Both divergences between q and the target, in nats."""
    return {name: divergence(state.q, state.target, name) for name in (Q_OVER_P, P_OVER_Q)}


def _start(target: str, *, steps: int = 0, **changes: Any) -> dict[str, Any]:
    """What a preset changes; its path begins where its q does."""
    start = FitQState(target=target, **changes)
    return {"target": target, **changes, "steps": steps, "path": (start.q,)}


class FitQ(Explorer):
    """A Gaussian q over a target, its ELBO under the log evidence, and both divergences; by hand or by gradient steps."""

    State = FitQState
    controls: ClassVar = (
        Choice("target", label="Target", options=tuple(TARGETS)),
        Toggle("mean_field", label="Mean field (axes upright)"),
        Button("step", label="Step", primary=True),
        Button("ten_steps", label="10 steps"),
        Choice("direction", label="Optimiser lowers", options=(Q_OVER_P, P_OVER_Q)),
        IntSlider("steps", label="Steps", low=0, high=MOST_STEPS),
    )
    presets: ClassVar = (
        Preset("Upright axes: where does the gap get stuck?", _start("correlated", mean_field=True, steps=MOST_STEPS)),
        Preset("Two bumps: which one is taken?", _start("two bumps", mean=(1.2, 0.2), first=0.8, second=0.8)),
        Preset("The other way round: does q cover both?", _start("two bumps", direction=P_OVER_Q)),
        Preset("A banana, from a wide q?", _start("banana", mean=(0.0, 0.5), first=2.0, second=2.0)),
    )
    play: ClassVar = Play("steps", label="Steps")

    def divergences(self) -> dict[str, float]:
        """Both divergences of the present q, in nats."""
        return _gaps_of(self.state)

    def compute(self, state: FitQState) -> Scene:
        """The map with q on the left; on the right the bound, both divergences, and the path."""
        gaps = _gaps_of(state)
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
        state = state.remembered() if state.steps else state
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

    def move(self, field: str, value: Any) -> None:
        """Moves a control. Another target, direction or family is another walk: its path begins where q is."""
        with self.lock:
            self._try(lambda state: _begun(replace(state.at(state.q), **{field: value})), remember=False)

    def step(self, state: FitQState) -> FitQState:
        """One step of the optimiser."""
        state = state.remembered() if state.steps == MOST_STEPS else state
        moved = replace(state, steps=state.steps + 1)
        return state if moved.q == state.q else moved

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
        words = "← " * (gap > MOST) + f"ELBO {number(evidence - gap)}"
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
        words = f"ELBO {number(evidence - gap)} + gap {number(gap)} = log evidence {number(evidence)} nats."
        if arrived(state.q, state.target, state.direction, state.mean_field):
            return f"The optimiser stops here: no small move lowers {state.direction}. {words}"
        if state.direction == P_OVER_Q:
            return f"Lowering KL(p ‖ q) needs averages over p, which a real posterior does not offer. {words}"
        return f"The gap is KL(q ‖ p): raise the ELBO and it shrinks by as much. {words}"
