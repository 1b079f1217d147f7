"""Noise, ignorance, or a stranger: what makes up the doubt at one place, and what would take it away."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy import ndarray

from bal_course.lake import BAY_END, sounding_noise, soundings
from bal_scenes.base import Event, Explorer, IntSlider, Preset, Scene, Slider, stage
from bal_scenes.scene import Layer, Panel, band, bar_axis, bars, line, panel, points, rects, scene, text
from bal_utils.theory.linear_regression import Belief, gaussian_bumps, posterior

LAKE = (0.0, 12.0)
DEPTHS = (-4.0, 5.0)
BUMPS = {"num_features": 23, "low": -1.0, "high": 13.0}
PLACES_G = np.linspace(*LAKE, 241)
SEED = 5
STRANGER = 0.5  # a place that keeps more than this share of its prior variance has learned too little from the data
REASONS = {
    "noise": "The sounder shakes more than the depth is unknown.",
    "ignorance": "The depth here is hardly known.",
    "a stranger": "The data say next to nothing about this place.",
    "sure": "Depth and sounder are both good enough.",
}
SURE = 0.15  # metres; a smaller standard deviation is good enough to answer
REMEDIES = {
    "noise": "Buy a better sounder.",
    "ignorance": "Take more soundings there.",
    "a stranger": "Refuse to answer.",
    "sure": "Answer.",
}
ZONES = {
    "dock": (0.0, 5.0, 2.0),
    "bay": (5.0, BAY_END, 7.0),
    "no boat": (BAY_END, 12.0, 11.0),
}  # from, to, its question
STAR, FLOOR = 0, -3.2  # the star's id, and its depth: on the curve it would hide soundings
NEW = {"colour": "orange", "dash": "dashed"}  # the band that holds new soundings


@dataclass(frozen=True, kw_only=True)
class ThreeKindsState:
    """Noise at the dock in metres, how many soundings there are, and the place that is asked about, in km."""

    noise: float = 0.5
    count: int = 40
    place: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """The parts of the predictive variance at one place in m², and the share of its prior variance that is left."""

    aleatoric: float
    epistemic: float
    share_left: float

    @property
    def total(self) -> float:
        """The predictive variance."""
        return self.aleatoric + self.epistemic

    @property
    def kind(self) -> str:
        """Which of REMEDIES is called for."""
        if self.share_left > STRANGER:
            return "a stranger"
        if self.total < SURE**2:
            return "sure"
        return "noise" if self.aleatoric > self.epistemic else "ignorance"


def features(places_N: ndarray) -> ndarray:
    """22 bumps over the line, a little beyond both ends; no constant, which would tie all places together."""
    return gaussian_bumps(places_N, **BUMPS)[:, 1:]


@stage
def believe(noise: float, count: int) -> Belief:
    """The exact posterior over the bumps' weights. Rows divided by their own σ have noise of variance 1."""
    places_N, depths_N = soundings(count, noise, SEED)
    sigma_N = sounding_noise(places_N, noise)
    return posterior(features(places_N) / sigma_N[:, None], depths_N / sigma_N, prior_precision=1, noise_precision=1)


@stage
def doubt_at(noise: float, count: int, place: float) -> Doubt:
    """The parts of the doubt at one place."""
    features_D = features(np.array([place]))[0]
    epistemic = float(features_D @ believe(noise, count).covariance_D_D @ features_D)
    aleatoric = float(sounding_noise(place, noise)) ** 2
    return Doubt(aleatoric=aleatoric, epistemic=epistemic, share_left=epistemic / float(features_D @ features_D))


@stage
def _lake_curves(noise: float, count: int) -> tuple[ndarray, ndarray, ndarray]:
    """Mean, standard deviation of the depth, and of a new sounding, along the lake."""
    features_G_D, belief = features(PLACES_G), believe(noise, count)
    epistemic_G = np.einsum("gd,de,ge->g", features_G_D, belief.covariance_D_D, features_G_D)
    total_G = epistemic_G + sounding_noise(PLACES_G, noise) ** 2
    return features_G_D @ belief.mean_D, np.sqrt(epistemic_G), np.sqrt(total_G)


def _zones() -> list[Layer]:
    """The names of the lake's parts, on strips that can be clicked."""
    start_Z, end_Z, _ = np.array(list(ZONES.values())).T
    ids = range(STAR + 1, STAR + 1 + len(ZONES))
    edges = (start_Z + 0.06, end_Z - 0.06, np.full(len(ZONES), DEPTHS[0] + 0.05), np.full(len(ZONES), DEPTHS[0] + 0.55))
    names = [f"go to the {zone}, {place:g} km" for zone, (*_, place) in ZONES.items()]
    words = [f"{letter} · {zone}" for letter, zone in zip("ABC", ZONES, strict=True)]
    strips = rects(*edges, colour="#e3e8ee", ids=ids, names=names)
    return [strips, text((start_Z + end_Z) / 2, [DEPTHS[0] + 0.3] * len(ZONES), words, halo=False)]


class ThreeKinds(Explorer):
    """A lake, a boat, a question: move the question and see which kind of doubt it meets."""

    State = ThreeKindsState
    hand: ClassVar = "drag ★ · click the lake, or A, B, C"
    controls: ClassVar = (
        Slider("noise", label="Noise at the dock (m)", low=0.05, high=1.0, step=0.05),
        IntSlider("count", label="Soundings", low=5, high=320, step=5),
        Slider("place", label="Asked about (km)", low=LAKE[0], high=LAKE[1], step=0.1),
    )
    presets: ClassVar = (
        Preset("What would help in the bay?", {"place": 7.0}),
        Preset("And where no boat has been?", {"place": 11.0}),
        Preset("With ten soundings, what is B?", {"place": 7.0, "count": 10}),
        Preset("A better sounder at the dock?", {"noise": 0.1}),
    )

    def compute(self, state: ThreeKindsState) -> Scene:
        """The lake with its bands, and the doubt at the chosen place now, with more soundings, with a better sounder."""
        now = doubt_at(state.noise, state.count, state.place)
        more = doubt_at(state.noise, 2 * state.count, state.place)
        better = doubt_at(state.noise / 2, state.count, state.place)
        alt = (
            f"Soundings of a lake with a predicted depth and its band; at {state.place:.1f} km the verdict is "
            f"{now.kind}. Bars split the variance into noise and ignorance"
        )
        right = self._verdict(now), self._bars((now, more, better))
        return scene(self._lake(state), *right, alt=alt, status=self._status(state, now, more, better), height=430)

    def on_click(self, state: ThreeKindsState, event: Event) -> ThreeKindsState:
        """Asks about the place that was clicked in the lake; on the name of a zone, about that zone's place."""
        if event.panel != 0 or event.x is None:
            return state
        if event.kind == "click" and event.point not in (None, STAR):
            return replace(state, place=list(ZONES.values())[event.point - 1][2])
        return replace(state, place=round(float(np.clip(event.x, *LAKE)), 1))

    def on_drag(self, state: ThreeKindsState, event: Event) -> ThreeKindsState:
        """Drags the question along the lake."""
        return self.on_click(state, event)

    def _lake(self, state: ThreeKindsState) -> Panel:
        mean_G, epistemic_G, total_G = _lake_curves(state.noise, state.count)
        asked = int(np.abs(PLACES_G - state.place).argmin())
        layers = [
            band(PLACES_G, mean_G - 2 * total_G, mean_G + 2 * total_G, label="±2 sd, new sounding", **NEW),
            band(PLACES_G, mean_G - 2 * epistemic_G, mean_G + 2 * epistemic_G, opacity=0.4, label="±2 sd, depth"),
            line(PLACES_G, mean_G, label="predicted"),
            points(*soundings(state.count, state.noise, SEED), size=6, colour="black"),
            *_zones(),
            line([state.place] * 2, [FLOOR, mean_G[asked] + 2 * total_G[asked]], colour="vermillion", dash="dashed"),
            points([state.place], [mean_G[asked]], shape="ring", size=16, colour="vermillion"),
            points([state.place], [FLOOR], shape="star", size=24, colour="vermillion", ids=[STAR], drag=True,
                   names=[f"the question, at {state.place:.1f} km"]),
        ]  # fmt: skip
        labels = {"x_label": "place (km)", "y_label": "depth (m above or below ten)"}
        return panel(*layers, x=LAKE, y=DEPTHS, box=(0, 0, 0.6, 1), legend="top left", click_anywhere=True, **labels)

    def _bars(self, doubts: tuple[Doubt, ...]) -> Panel:
        values_B_S = np.array([[doubt.aleatoric, doubt.epistemic] for doubt in doubts])
        words = [f"{doubt.total:.3f}" if doubt.total < 0.1 else f"{doubt.total:.2f}" for doubt in doubts]
        layers = bars(values_B_S, segments=["noise", "ignorance"], colours=["orange", "blue"], totals=words)
        axes = bar_axis(["now", "2 × data", "½ noise"])
        axes |= {"x": (0, 1.3 * values_B_S.sum(axis=1).max()), "y": (3.6, -0.6)}  # room for the legend below the bars
        return panel(*layers, **axes, box=(0.6, 0.27, 0.4, 0.73), x_label="variance of a new sounding (m²)",
                     title="What the doubt is made of", legend="bottom right")  # fmt: skip

    def _verdict(self, now: Doubt) -> Panel:
        left = f"ignorance left: {100 * now.share_left:.0f} % of the prior's"
        words = [f"Here: {now.kind}", REMEDIES[now.kind], left]
        sizes = ((0.82, 20, True), (0.46, 16, False), (0.12, 14, False))
        layers = [
            text([0.04], [y], [said], size=size, bold=bold, align="left", halo=False)
            for said, (y, size, bold) in zip(words, sizes, strict=True)
        ]
        return panel(*layers, x=(0, 1), y=(0, 1), x_ticks=(), y_ticks=(), box=(0.62, 0, 0.38, 0.27))

    def _status(self, state: ThreeKindsState, now: Doubt, more: Doubt, better: Doubt) -> str:
        return (
            f"{REASONS[now.kind]} At {state.place:.1f} km a new sounding is known to ±{now.total**0.5:.2f} m (one sd); "
            f"{100 * now.aleatoric / now.total:.0f} % of the variance is noise. Twice the soundings leave "
            f"{100 * more.total / now.total:.0f} % of it, half the noise {100 * better.total / now.total:.0f} %."
        )
