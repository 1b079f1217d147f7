"""The worlds of part I in which a model is asked far from its data: clinics whose truth is known, and the flights before 1986.

Dimensions: N patients or flights.
"""

import torch
from torch import Tensor

from bal_utils.checks import check_number
from bal_utils.runtime import stream
from bal_utils.theory.logistic_regression import two_groups

STAR = (1.0, 8.0)  # marker A, marker B
PRIOR_PRECISION = 0.1

# Each flight before the launch of 28 January 1986 whose boosters were recovered: the temperature at launch in °F, and
# whether a primary O-ring of a field joint showed distress (Dalal, Fowlkes and Hoadley 1989, JASA 84, table 1)
TEMPERATURES = (66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58)
DISTRESSED = (0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1)
LAUNCH = 31.0  # °F


def drawn_clinic(seed: int, *, scale: float = 1.0) -> tuple[Tensor, Tensor, float]:
    """A clinic of ten patients whose truth is known: true weights from N(0, scale²/α I) with α = 0.1, labels tossed by them.

    The markers are those of `two_groups(5)`, so the star is as far from all patients as in the story. Returns inputs [10, 2],
    labels [10], and the true probability that the star is ill. Raises ValueError where `scale` is not positive.
    """
    check_number("scale", scale, above=0)
    chance = stream(seed, "clinics drawn from the prior")
    weights_2 = scale / PRIOR_PRECISION**0.5 * torch.randn(2, generator=chance, dtype=torch.float64)
    inputs_N_2, _ = two_groups(5, seed=seed)
    labels_N = torch.bernoulli(torch.sigmoid(inputs_N_2 @ weights_2), generator=chance).long()
    return inputs_N_2, labels_N, torch.sigmoid(torch.tensor(STAR, dtype=torch.float64) @ weights_2).item()


def flights() -> tuple[Tensor, Tensor]:
    """The 23 flights: temperatures [N] in °F, and labels [N], 1 where an O-ring was distressed."""
    return torch.tensor(TEMPERATURES, dtype=torch.float64), torch.tensor(DISTRESSED)
