"""Your own data for the loop: a folder of images, or a table in a CSV file, as the tensors that the course works with."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from bal_utils.data import ImageData, check_count
from bal_utils.runtime import stream

FARTHEST = 10.0  # standard deviations: one mistyped cell must not drown the others


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnData(ImageData):
    """As ImageData, with the names of the classes: label c is `class_names[c]`."""

    class_names: tuple[str, ...]


def images_from_folder(
    path: str | Path, size: int, *, test_share: float = 0.2, seed: int = 0, name: str | None = None
) -> OwnData:
    """Images sorted into one subfolder a class, as grey squares of `size` pixels, uint8.

    Each image is turned upright, cut to its middle square and resized. Transparent parts become white. Of each class
    `test_share`, drawn at random, is kept for testing. Hidden files, and files that are no images by their ending, are
    left out. Raises FileNotFoundError where the folder does not exist, ValueError where there are fewer than two classes,
    images lie outside the subfolders, a class has fewer than two images, or an image cannot be read; the message names it.
    """
    check_count("size", size, at_least=1)
    path = Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"path: expected a folder with one subfolder a class, got {str(path)!r}")
    if loose := image_files(path):
        raise ValueError(
            f"path: expected every image in the subfolder of its class, found {len(loose)} directly in {path.name!r} "
            f"({loose[0].name} first). Without a class an image can be neither a first example nor a test. Sort a random "
            "part of them into subfolders, one a class, with at least two images in each, and move the rest elsewhere"
        )
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if len(folders) < 2:
        raise ValueError(f"path: expected at least two subfolders, one a class, found {len(folders)} in {path.name!r}")
    pixels, labels = [], []
    for label, folder in enumerate(folders):
        files = image_files(folder)
        if len(files) < 2:
            raise ValueError(f"path: expected at least two images of each class, found {len(files)} in {folder.name!r}")
        pixels += [grey_square(file, size) for file in files]
        labels += [label] * len(files)
    images, labels_N = torch.stack(pixels), torch.tensor(labels)
    names = tuple(folder.name for folder in folders)
    return split_by_class(images, labels_N, names, test_share, seed, name or path.name)


def image_files(folder: Path) -> list[Path]:
    """The images of a folder, by name."""
    endings = Image.registered_extensions()
    found = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in found if file.suffix.lower() in endings)


def grey_square(file: Path, size: int) -> Tensor:
    """One image as [1, size, size], uint8. Raises ValueError, naming the file, where it cannot be read."""
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(
            f"path: expected images, but {file.parent.name}/{file.name} cannot be read ({error})"
        ) from error
    white = Image.new("RGBA", image.size, "white")
    square = ImageOps.fit(Image.alpha_composite(white, image).convert("L"), (size, size))
    return torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(1, size, size)


def table_from_csv(
    path: str | Path, target: str, *, test_share: float = 0.2, seed: int = 0, name: str | None = None
) -> OwnData:
    """A table with a header line: the column `target` names the class, all others are numbers.

    Rows become "images" of one line of F numbers, [N, 1, 1, F], float32, so that the same loop takes them. Each column is
    standardised by mean and deviation of the training rows, and cut off at 10 deviations. Classes are numbered in the
    order of their names. Raises FileNotFoundError where there is no such file, ValueError where the column does not
    exist, a cell is empty or no number (line and column are named), or a class has fewer than two rows.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a CSV file, got {str(path)!r}")
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        if target not in columns:
            raise ValueError(f"target: expected one of the columns {', '.join(columns)}, got {target!r}")
        features = [column for column in columns if column != target]
        rows = [([number(row, column, reader.line_num) for column in features], row[target]) for row in reader]
    names = tuple(sorted({kind for _, kind in rows}))
    labels_N = torch.tensor([names.index(kind) for _, kind in rows])
    for label, kind in enumerate(names):
        if (labels_N == label).sum() < 2:
            raise ValueError(f"target: expected at least two rows of each class, got one of {kind!r}")
    if len(names) < 2 or not features:
        raise ValueError(f"path: expected two classes and a column of numbers, got {len(names)} and {len(features)}")
    values_N_F = torch.tensor([values for values, _ in rows], dtype=torch.float64)
    train, _ = places_by_class(labels_N, test_share, seed)
    deviation_F = values_N_F[train].std(dim=0)
    scale_F = torch.where(deviation_F > 0, deviation_F, 1)  # a constant column says nothing, and must not divide
    standard_N_F = ((values_N_F - values_N_F[train].mean(dim=0)) / scale_F).clamp(-FARTHEST, FARTHEST).float()
    return split_by_class(standard_N_F[:, None, None], labels_N, names, test_share, seed, name or path.stem)


def number(row: dict, column: str, line: int) -> float:
    """A cell as a number. Raises ValueError, naming line and column, where it is none."""
    try:
        value = float(row[column])
        if value - value != 0:  # NaN and infinity
            raise ValueError
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"path: expected a number in line {line}, column {column!r}, got {row[column]!r}. Fill or drop empty cells, and "
            "turn words into numbers, one column of 0 and 1 for each word"
        ) from error
    return value


def places_by_class(labels_N: Tensor, test_share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places for training and for testing, drawn class by class: at least one of each class goes to either side."""
    if not 0 < test_share < 1:
        raise ValueError(f"test_share: expected a share between 0 and 1, got {test_share!r}")
    shuffled_N = torch.randperm(len(labels_N), generator=stream(seed, "own test data"))
    train, test = [], []
    for label in labels_N.unique():
        of_class = shuffled_N[labels_N[shuffled_N] == label].tolist()
        kept = min(max(round(test_share * len(of_class)), 1), len(of_class) - 1)
        test += of_class[:kept]
        train += of_class[kept:]
    return sorted(train), sorted(test)


def split_by_class(
    images: Tensor, labels_N: Tensor, class_names: tuple[str, ...], test_share: float, seed: int, name: str
) -> OwnData:
    """Training and test data of `places_by_class`."""
    train, test = places_by_class(labels_N, test_share, seed)
    return OwnData(
        name=name,
        train_images=images[train],
        train_labels=labels_N[train],
        test_images=images[test],
        test_labels=labels_N[test],
        class_names=class_names,
    )
