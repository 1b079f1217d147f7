"""The lake of notebook 03, whose soundings are noisy in one place, few in another and absent in a third.

Everything is NumPy in float64. Dimensions: N soundings.
"""

from typing import Any

import numpy as np
import torch
from numpy import ndarray

from bal_utils.checks import check_number, check_whole
from bal_utils.runtime import stream

DOCK_END, BAY_END = 5.0, 8.0  # km along the line
BAY_SHARE = 0.03  # of the soundings
CALM = 0.1  # noise in the bay, relative to that at the dock
MOST_SOUNDINGS = 4096


def true_depth(places_N: Any) -> ndarray:
    """The depth of the lake at places in km, in metres above or below ten: sin x."""
    return np.sin(np.asarray(places_N, dtype=np.float64))


def sounding_noise(places_N: Any, noise: float) -> ndarray:
    """σ(x) in metres: `noise` at the dock, a tenth of it from the bay on, with a smooth step at 5 km."""
    places_N = np.asarray(places_N, dtype=np.float64)
    return noise * (CALM + (1 - CALM) / (1 + np.exp(3 * (places_N - DOCK_END))))


def soundings(num_points: int, noise: float, seed: int) -> tuple[ndarray, ndarray]:
    """What a boat measured: y = sin x + σ(x)·ε, at the dock (0 to 5 km, 97 %) and in the bay (5 to 8 km, 3 %).

    Asking for more points keeps the earlier ones, and another `noise` only stretches the same errors. Returns
    places_N and depths_N, float64. Raises ValueError outside 1 to 4096 points, or where the noise is not positive.
    """
    num_points = check_whole("num_points", num_points, at_least=1, at_most=MOST_SOUNDINGS)
    check_number("noise", noise, above=0)
    uniform_2_N = torch.rand(2, MOST_SOUNDINGS, generator=stream(seed, "soundings", "places"), dtype=torch.float64)
    normal_N = torch.randn(MOST_SOUNDINGS, generator=stream(seed, "soundings", "noise"), dtype=torch.float64)
    where_N, along_N = uniform_2_N[:, :num_points].numpy()
    in_bay_N = DOCK_END + (BAY_END - DOCK_END) * along_N
    places_N = np.where(where_N < BAY_SHARE, in_bay_N, DOCK_END * along_N)
    return places_N, true_depth(places_N) + sounding_noise(places_N, noise) * normal_N[:num_points].numpy()
