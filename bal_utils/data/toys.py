"""Toy data: two moons, and regressions whose truth is known.

What is drawn depends on the arguments alone. Points and targets are float32, the precision of the networks they feed;
closed forms convert them with `.double()`, which changes no value. Dimensions: N examples.
"""

import torch
from torch import Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.runtime import stream, stream_seed

REGRESSION_RANGE = (-4.0, 4.0)  # inputs of the curved regressions


def two_moons(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two half circles that interlock, one a class, with N(0, noise²) added to both coordinates.

    (cos t, sin t) for class 0 and (1 - cos t, 1/2 - sin t) for class 1, t in [0, π] (scikit-learn's make_moons).
    Returns points_N_2, float32, and labels_N, int64, shuffled. Raises ValueError for fewer than 2 points or negative noise.
    """
    from sklearn.datasets import make_moons

    num_points = check_whole("num_points", num_points, at_least=2)
    noise = check_number("noise", noise, at_least=0)
    numpy_seed = stream_seed(seed, "two moons") % 2**32  # NumPy's legacy generator takes no larger one
    points_N_2, labels_N = make_moons(num_points, noise=noise, random_state=numpy_seed)
    return torch.from_numpy(points_N_2).float(), torch.from_numpy(labels_N).long()


def noisy_line(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """A line: y = -0.3 + 0.5 x + noise·ε, x ~ U(-1, 1), ε ~ N(0, 1) (Bishop 2006, section 3.3.1, with noise 0.2).

    Returns inputs_N_1 and targets_N_1, float32. Raises ValueError for fewer than 1 point or negative noise.
    """
    uniform_N_1, normal_N_1 = _draws("noisy line", num_points, noise, seed)
    inputs_N_1 = 2 * uniform_N_1 - 1
    return inputs_N_1, -0.3 + 0.5 * inputs_N_1 + noise * normal_N_1


def sine_with_gap(
    num_points: int, noise: float, seed: int, *, gap: tuple[float, float] = (0.0, 2.5)
) -> tuple[Tensor, Tensor]:
    """A sine that is not seen everywhere: y = sin x + noise·ε, x uniform on [-4, 4] outside `gap`, ε ~ N(0, 1).

    Returns inputs_N_1 and targets_N_1, float32. Raises ValueError for fewer than 1 point, negative noise, or a gap that does
    not lie within [-4, 4] or fills it.
    """
    (lowest, highest), (start, end) = REGRESSION_RANGE, gap
    if not lowest <= start <= end <= highest or (start, end) == REGRESSION_RANGE:
        raise ValueError(f"gap: expected (start, end) within [{lowest:g}, {highest:g}] and not all of it, got {gap!r}")
    uniform_N_1, normal_N_1 = _draws("sine with gap", num_points, noise, seed)
    squeezed_N_1 = lowest + (highest - end + start - lowest) * uniform_N_1
    # minus start, then plus end: rounding then cannot bring an input below `end`
    inputs_N_1 = torch.where(squeezed_N_1 < start, squeezed_N_1, squeezed_N_1 - start + end)
    return inputs_N_1, inputs_N_1.sin() + noise * normal_N_1


def _draws(purpose: str, num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """What a toy regression is made of: U(0, 1) for its inputs and N(0, 1) for its noise, [N, 1] each."""
    num_points = check_whole("num_points", num_points, at_least=1)
    check_number("noise", noise, at_least=0)
    options = {"dtype": torch.float32}  # the same numbers whatever the default
    uniform_N_1 = torch.rand(num_points, 1, generator=stream(seed, purpose, "inputs"), **options)
    return uniform_N_1, torch.randn(num_points, 1, generator=stream(seed, purpose, "noise"), **options)
