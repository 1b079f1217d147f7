"""Images to label: MNIST or scikit-learn's digits, as tensors without loaders, and which of them a run sees.

Dimensions: N examples, H W pixels.
"""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Generator, Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.data import mnist
from bal_utils.runtime import stream

PIXEL_MEAN, PIXEL_STD = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1], as rounded in arXiv:1906.08158
LARGEST_STANDARDISED = 20.0  # standardised pixels end at 2.83 plus noise; pixels in [0, 255] do not fit below


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
    return _read_mnist(mnist.locate(root))


@lru_cache(maxsize=1)
def _read_mnist(paths: tuple[Path, ...]) -> ImageData:
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
    except (ConnectionError, ModuleNotFoundError) as error:  # without requests there is no download
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


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Which images a run sees: all training images of a data set, or `images` of them, `copies` times with noise."""

    name: Literal["mnist", "digits"] = "mnist"
    images: int | None = None
    copies: int = 1

    def load(self, seed: int) -> ImageData:
        """The images of one run: which are kept, and the noise on the copies, depend on its seed."""
        data = load_images(self.name)
        if self.images is not None:
            data = fewer_images(data, self.images, seed=seed)
        return data if self.copies == 1 else repeated_images(data, self.copies, seed=seed)


def fewer_images(data: ImageData, size: int, *, seed: int) -> ImageData:
    """`size` of the training images, drawn at random without regard to their labels; the test images stay.

    Raises ValueError where `size` is not between 1 and the number of training images.
    """
    size = check_whole("size", size, at_least=1, at_most=len(data.train_labels))
    kept = torch.randperm(len(data.train_labels), generator=stream(seed, "fewer images"))[:size]
    return replace(
        data,
        name=f"{data.name}, {size} images",
        train_images=data.train_images[kept],
        train_labels=data.train_labels[kept],
    )


def repeated_images(data: ImageData, copies: int, *, noise: float = 0.1, seed: int) -> ImageData:
    """The training images `copies` times, each copy with its own fixed noise: x + N(0, noise²) on standardised pixels.

    Every copy is noisy, the first too, and no test image is (Repeated MNIST, arXiv:1906.08158, section 4.1). All images
    come back standardised, float32. Copy k of image n stands at k·N + n. Memory: 188 MB for each copy of MNIST.
    Raises ValueError where `copies` is below 1 or `noise` is negative.
    """
    copies, noise = check_whole("copies", copies, at_least=1), check_number("noise", noise, at_least=0)
    generator = stream(seed, "repeated images")
    images = standardise(data.train_images).repeat(copies, 1, 1, 1)
    for copy_N in images.view(copies, *data.train_images.shape):  # one at a time: noise for all would double the memory
        copy_N += torch.randn(copy_N.shape, generator=generator).mul_(noise)
    return replace(
        data,
        name=f"{data.name} x{copies}, noise {noise:g}",
        train_images=images,
        train_labels=data.train_labels.repeat(copies),
        test_images=standardise(data.test_images),
    )
