"""The numbers behind the explorer `fit_q`: targets in the plane, the ELBO of a Gaussian q, both divergences, one step uphill.

All are exact to far more digits than are shown: expectations under q by quadrature, those under the target on a grid.
Dimensions: K nodes of the quadrature, G places of the grid, R C rows and columns of the map.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray
from scipy.linalg import expm

from bal_scenes.base import stage
from bal_scenes.maps import centres

PLANE = (-4.0, 4.0)  # both coordinates of the map, and of q's mean
AXIS_RANGE = (0.1, 3.0)  # standard deviations that q's axes may have
Q_OVER_P, P_OVER_Q = "KL(q ‖ p)", "KL(p ‖ q)"
Q = tuple[float, float, float, float, float]  # mean x, mean y, std along both axes, rotation of the first in degrees


def log_correlated(w: torch.Tensor) -> torch.Tensor:
    """Both standard deviations 1.3, correlation 0.9."""
    return -(w.square().sum(-1) - 1.8 * w.prod(-1)) / (2 * 1.3**2 * (1 - 0.9**2))


def log_banana(w: torch.Tensor) -> torch.Tensor:
    """x is normal, and y is normal about a parabola in x."""
    x, y = w.unbind(-1)
    return -0.5 * ((x / 1.2).square() + ((y - 0.7 * x.square() + 1.2) / 0.5).square())


def log_two_bumps(w: torch.Tensor) -> torch.Tensor:
    """Two round bumps, 65 % and 35 % of the mass."""
    centre = w.new_tensor([1.6, 0.8])
    exponents = [-(w - side * centre).square().sum(-1) / (2 * 0.6**2) for side in (-1, 1)]
    return torch.logaddexp(math.log(0.65) + exponents[0], math.log(0.35) + exponents[1])


TARGETS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "correlated": log_correlated,
    "banana": log_banana,
    "two bumps": log_two_bumps,
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
    shift_2, spread_2_2 = seen_from(q, target)
    squares = (spread_2_2**2).sum() + (shift_2**2).sum()
    return -target.entropy + math.log(2 * math.pi) + math.log(q[2] * q[3]) + float(squares) / 2


def seen_from(q: Q, target: Target) -> tuple[ndarray, ndarray]:
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
        shift_2, spread_2_2 = seen_from(q, on_grid(name))
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
