"""Which images a run of the loop sees: all of a data set, some of it, or some of it repeated with noise."""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from bal_utils.checks import check_number, check_whole
from bal_utils.data import ImageData, load_images, standardise
from bal_utils.runtime import stream


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
