"""Pictures of predictions far from the data: claims about stars in drawn worlds, probabilities along a ray, the flights.

Dimensions: W worlds, P places on a line, K draws of two weights, N flights, T steps.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from bal_utils.plotting import CLASS_COLOURS, CLASS_MARKERS, PALETTE, label_ends, look_of

CLAIM_BINS = np.append(np.linspace(0.5, 0.95, 10), [0.99, 1.0])


def running_away(axes: np.ndarray, lengths_T: np.ndarray, star_well_T: np.ndarray) -> np.ndarray:
    """What gradient ascent does with its steps: the length of the weights, and the probability left to the star as well."""
    steps_T = np.arange(1, len(lengths_T) + 1)
    for ax, values_T, words in zip(
        axes, (lengths_T, star_well_T), ("length of the weights", "p(well) of the star"), strict=True
    ):
        ax.semilogx(steps_T, values_T, **look_of("mle").line)
        ax.set(xlabel="steps of gradient ascent", ylabel=words)
    axes[1].set_yscale("log")
    return axes


def probabilities(ax: Axes, places_P: np.ndarray, curves: Mapping[str, np.ndarray]) -> Axes:
    """p(class 1) along a line of places by methods of the course (`plotting.LOOKS`), each named at its end."""
    for name, probs_P in curves.items():
        ax.plot(places_P, probs_P, label=name, **look_of(name).line)
    ax.set(ylim=(-0.04, 1.05))
    return label_ends(ax)


def claims(ax: Axes, probs_W: np.ndarray, true_W: np.ndarray) -> Axes:
    """How sure a method was of its star in each world, and how many of these claims are wrong (hatched).

    `probs_W` is what the method says, `true_W` the true probability of class 1, so that the wrong are counted exactly.
    """
    probs_W, true_W = np.asarray(probs_W), np.asarray(true_W)
    sure_W = np.maximum(probs_W, 1 - probs_W)
    wrong_W = np.where(probs_W > 0.5, 1 - true_W, true_W)
    all_B, _ = np.histogram(sure_W, CLAIM_BINS)
    wrong_B, _ = np.histogram(sure_W, CLAIM_BINS, weights=wrong_W)
    place_B = np.arange(len(all_B))
    ax.bar(place_B, all_B, color=PALETTE["sky"], label="right")
    ax.bar(place_B, wrong_B, color="white", edgecolor=PALETTE["vermillion"], hatch="///", label="wrong")
    edges = [f"{edge:.2g}" for edge in CLAIM_BINS]
    ax.set_xticks(np.arange(len(edges)) - 0.5, edges, fontsize=11)
    ax.set(xlabel="probability given to the likelier answer", ylabel="worlds")
    ax.legend(loc="upper center")
    return ax


def flights(ax: Axes, temperatures_N: np.ndarray, labels_N: np.ndarray, *, launch: float) -> Axes:
    """Flights by temperature, those with a distressed O-ring above, those without below; the launch as a vertical line."""
    temperatures_N, labels_N = np.asarray(temperatures_N, dtype=float), np.asarray(labels_N)
    order = np.lexsort((np.arange(len(labels_N)), temperatures_N, labels_N))
    seen: dict[tuple[float, int], int] = {}
    for temperature, label in zip(temperatures_N[order], labels_N[order], strict=True):
        repeat = seen[temperature, label] = seen.get((temperature, label), -1) + 1
        height = label + (-0.035 if label else 0.035) * repeat
        style = {"marker": CLASS_MARKERS[label], "color": CLASS_COLOURS[label], "edgecolor": "white", "zorder": 4}
        ax.scatter(temperature, height, s=55, **style)
    ax.axvline(launch, color=PALETTE["black"], linewidth=1, linestyle=":")
    ax.annotate(f"launch, {launch:g} °F", (launch, 0.02), xytext=(5, 0), textcoords="offset points", fontsize=11)
    ax.set(xlabel="temperature at launch (°F)", ylabel="p(O-ring distress)", ylim=(-0.05, 1.06))
    return ax


def bundle(ax: Axes, places_P: np.ndarray, probs_K_P: np.ndarray) -> Axes:
    """The curves of K draws, thin."""
    for probs_P in np.asarray(probs_K_P):
        ax.plot(places_P, probs_P, color=PALETTE["green"], linewidth=0.7, alpha=0.5, label="_draw")
    return ax
