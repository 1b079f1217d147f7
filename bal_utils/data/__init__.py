"""Data as tensors, without loaders: images to label, two moons, and toy regressions.

Dimensions: N examples, H W pixels. What is drawn depends on the arguments alone. Points and targets are float32, the
precision of the networks they feed; closed forms convert them with `.double()`, which changes no value.
"""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.data import mnist
from bal_utils.runtime import stream, stream_seed

PIXEL_MEAN, PIXEL_STD = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1], as rounded in arXiv:1906.08158
LARGEST_STANDARDISED = 20.0  # standardised pixels end at 2.83 plus noise; pixels in [0, 255] do not fit below
REGRESSION_RANGE = (-4.0, 4.0)  # inputs of the curved regressions


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """Training and test images [N, 1, H, W] with labels [N], int64. `name` is shown in figures and records.

    `is_stand_in` is true where these are not the images that were asked for. Tensors may be shared: never change them.
    Raises TypeError or ValueError, naming the field, where types, shapes or lengths do not fit together.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    is_stand_in: bool = False

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels_N = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            for field, value in (("images", images), ("labels", labels_N)):
                if not isinstance(value, Tensor):
                    raise TypeError(f"{part}_{field}: expected a tensor, got {type(value).__name__}")
            if images.ndim != 4 or images.shape[1] != 1 or 0 in images.shape:
                raise ValueError(f"{part}_images: expected (N, 1, H, W), nothing empty, got {tuple(images.shape)}")
            if labels_N.dtype != torch.int64:
                raise TypeError(f"{part}_labels: expected int64, got {labels_N.dtype}")
            if tuple(labels_N.shape) != (len(images),):
                raise ValueError(f"{part}_labels: expected shape ({len(images)},), got {tuple(labels_N.shape)}")
            if labels_N.min() < 0:
                raise ValueError(f"{part}_labels: expected classes numbered from 0, got {labels_N.min().item()}")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ValueError(
                f"test_images: expected images of shape {tuple(self.train_images.shape[1:])} as in train_images, "
                f"got {tuple(self.test_images.shape[1:])}"
            )

    @property
    def num_classes(self) -> int:
        return max(self.train_labels.max().item(), self.test_labels.max().item()) + 1


def load_mnist(root: str | Path | None = None) -> ImageData:
    """MNIST's 60,000 training and 10,000 test images, 28x28, uint8, verified; kept in memory for the next call.

    Looks in `root` (or its `mnist/` subfolder), else in `BAL_DATA_DIR`, else in the cache, into which it downloads.
    Files may be `.gz` or plain IDX. Raises FileNotFoundError where a folder or file that was named is missing, ValueError
    where a file is truncated or otherwise not the published one, and ConnectionError where a download fails.
    """
    return read_mnist(mnist.locate(root))


@lru_cache(maxsize=1)
def read_mnist(paths: tuple[Path, ...]) -> ImageData:
    """MNIST from its four files. Raises ValueError where one of them is not the published one."""
    fields = {field: torch.from_numpy(array) for field, array in mnist.read_arrays(paths).items()}
    shaped = {field: value.unsqueeze(1) if value.ndim == 3 else value.long() for field, value in fields.items()}
    return ImageData(name="MNIST", **shaped)


def load_images(name: str = "mnist") -> ImageData:
    """The images called "mnist" or "digits" (scikit-learn's, which need no files and no network).

    Where MNIST can be neither found nor downloaded, for the network's or the cache folder's sake, warns (UserWarning) and
    gives the digits, with `is_stand_in` set.
    Raises ValueError for another name; damaged files and wrong folders raise as in `load_mnist`.
    """
    if name == "digits":
        return digits()
    if name != "mnist":
        raise ValueError(f"name: expected one of 'mnist', 'digits', got {name!r}")
    try:
        return load_mnist()
    except (ConnectionError, ModuleNotFoundError) as error:  # without pooch there is no download either
        warnings.warn(
            f"MNIST cannot be had ({error}). In its place: scikit-learn's digits, 1,797 images of 8x8 pixels; numbers and "
            "figures differ from those in the text. To get MNIST, connect to the internet and run this again, or put its "
            "four files into a folder and name that folder in BAL_DATA_DIR.",
            UserWarning,
            stacklevel=2,
        )
        return replace(digits(), name="digits 8x8 (stand-in for MNIST)", is_stand_in=True)


@lru_cache(maxsize=1)
def digits() -> ImageData:
    """scikit-learn's 1,797 digits, 8x8, their 17 grey levels spread over 0..255, uint8; 360 of them, by class, for tests."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels_N_D, labels_N = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels_N_D).mul(255 / 16).round().to(torch.uint8).reshape(-1, 1, 8, 8)
    train, test = train_test_split(range(len(labels_N)), test_size=360, random_state=0, stratify=labels_N)
    labels_N = torch.from_numpy(labels_N).long()
    return ImageData(
        name="scikit-learn digits",
        train_images=images[train],
        train_labels=labels_N[train],
        test_images=images[test],
        test_labels=labels_N[test],
    )


def standardise(images: Tensor) -> Tensor:
    """Pixels as the networks take them: (x/255 - 0.1307) / 0.3081, float32 (arXiv:1906.08158).

    uint8 images are standardised with MNIST's mean and deviation, whatever they show. Floating images must be standardised
    already, as those of `repeated_images` are, and pass unchanged. Raises TypeError for another type and ValueError for
    floating images that hold NaN or values beyond 20, such as pixels in 0..255.
    """
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255).sub_(PIXEL_MEAN).div_(PIXEL_STD)
    if not images.is_floating_point():
        raise TypeError(f"images: expected uint8, or floating and standardised already, got {images.dtype}")
    low, high = (value.item() for value in images.aminmax()) if images.numel() else (0, 0)
    if not -LARGEST_STANDARDISED <= low <= high <= LARGEST_STANDARDISED:  # written so that NaN fails
        raise ValueError(
            f"images: expected floating images to be standardised already, got values from {low:g} to {high:g}; "
            "convert pixels in 0..255 to uint8 first"
        )
    return images.to(torch.float32)


def unit_pixels(images: Tensor) -> Tensor:
    """Pixels between 0 and 1: x/255, float32. Raises TypeError for images that are not uint8."""
    if images.dtype != torch.uint8:
        raise TypeError(f"images: expected uint8, got {images.dtype}")
    return images.to(torch.float32).div_(255)


def balanced_start(labels_N: Tensor, per_class: int, generator: Generator) -> Tensor:
    """Places of `per_class` examples of each class, drawn without replacement, in ascending order.

    Raises ValueError where a class between 0 and the largest label has fewer.
    """
    per_class = check_whole("per_class", per_class, at_least=1)
    if labels_N.ndim != 1 or not len(labels_N):
        raise ValueError(f"labels_N: expected one dimension, not empty, got shape {tuple(labels_N.shape)}")
    labels_N = labels_N.cpu()
    counts_C = labels_N.bincount()
    if counts_C.min() < per_class:
        raise ValueError(
            f"per_class: expected at most {counts_C.min().item()}, the examples of class {counts_C.argmin().item()}, "
            f"got {per_class}"
        )
    shuffled_N = torch.randperm(len(labels_N), generator=generator)
    picks = [shuffled_N[labels_N[shuffled_N] == label][:per_class] for label in range(len(counts_C))]
    return torch.cat(picks).sort().values


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
    uniform_N_1, normal_N_1 = draws("noisy line", num_points, noise, seed)
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
    uniform_N_1, normal_N_1 = draws("sine with gap", num_points, noise, seed)
    squeezed_N_1 = lowest + (highest - end + start - lowest) * uniform_N_1
    # minus start, then plus end: rounding then cannot bring an input below `end`
    inputs_N_1 = torch.where(squeezed_N_1 < start, squeezed_N_1, squeezed_N_1 - start + end)
    return inputs_N_1, inputs_N_1.sin() + noise * normal_N_1


def heteroscedastic_sine(num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """A sine whose noise grows from left to right: y = sin x + σ(x)·ε, σ(x) = noise·exp(x/4), x ~ U(-4, 4), ε ~ N(0, 1).

    log σ is linear in x, and σ at the right end is e² = 7.4 times that at the left. Returns inputs_N_1 and targets_N_1,
    float32. Raises ValueError for fewer than 1 point or negative noise.
    """
    uniform_N_1, normal_N_1 = draws("heteroscedastic sine", num_points, noise, seed)
    lowest, highest = REGRESSION_RANGE
    inputs_N_1 = lowest + (highest - lowest) * uniform_N_1
    return inputs_N_1, inputs_N_1.sin() + noise * (inputs_N_1 / 4).exp() * normal_N_1


def draws(purpose: str, num_points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """What a toy regression is made of: U(0, 1) for its inputs and N(0, 1) for its noise, [N, 1] each."""
    num_points = check_whole("num_points", num_points, at_least=1)
    check_number("noise", noise, at_least=0)
    options = {"dtype": torch.float32}  # the same numbers whatever the default
    uniform_N_1 = torch.rand(num_points, 1, generator=stream(seed, purpose, "inputs"), **options)
    return uniform_N_1, torch.randn(num_points, 1, generator=stream(seed, purpose, "noise"), **options)
