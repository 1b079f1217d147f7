"""How sure a few seeds make us: intervals and quartiles over seeds S."""

import numpy as np
from numpy import ndarray


def interval(values_S: ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean over seeds, by Student's t; a single point where all values are equal.

    Raises ValueError where there are fewer than two values, for one run says nothing of how runs differ (`has_interval`),
    or where one is not finite.
    """
    from scipy import stats  # a second to import, which most of a sweep's processes can do without

    values_S = np.asarray(values_S, dtype=float)
    if not has_interval(values_S) or not np.isfinite(values_S).all():
        raise ValueError(f"values_S: expected two or more finite numbers, one a run, got {values_S}")
    if np.ptp(values_S) == 0:
        return float(values_S[0]), float(values_S[0])
    low, high = stats.t.interval(0.95, len(values_S) - 1, np.mean(values_S), stats.sem(values_S))
    return float(low), float(high)


def has_interval(values_S: ndarray) -> bool:
    """Whether a mean over these runs has an interval at all: one run has none, and none is drawn or printed for it."""
    return np.ndim(values_S) == 1 and len(values_S) >= 2


def quartiles(values_S: ndarray) -> tuple[float, float, float]:
    """The 25 %, 50 % and 75 % quantiles, each one of the values (the nearest), so that infinity may be among them.

    That is how the logs of Kirsch et al. 2019 (arXiv:1906.08158) are summarised: of six values the median is the third.
    Raises ValueError where there is no value, or one is NaN.
    """
    values_S = np.asarray(values_S, dtype=float)
    if values_S.size == 0 or np.isnan(values_S).any():
        raise ValueError(f"values_S: expected at least one number and no NaN, got {values_S}")
    low, median, high = np.quantile(values_S, (0.25, 0.5, 0.75), method="nearest")
    return float(low), float(median), float(high)
