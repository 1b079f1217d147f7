"""Your own data for the loop: a folder of images, or a table in a CSV file, as the tensors that the course works with.

What comes in was made elsewhere, by cameras, microscopes and spreadsheets. It is read right, or refused with a ValueError
that names the file, or the line and the column; what is left out is said in a UserWarning.
"""

import codecs
import csv
import io
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.data.images import ImageData
from bal_utils.runtime import stream

# Decoders that run in this process. Pillow knows more, and would start Ghostscript for what claims to be PostScript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "QOI")
# what systems leave in folders, in lower case
NOBODYS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir"}
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # of TIFF
ALMOST_BLACK = 17  # of 255: white of 12 bits in a file of 16 comes to 16

FARTHEST = 10.0  # standard deviations: one mistyped cell must not drown the others
LARGEST = 1e100  # of a cell: squares of larger numbers are not finite


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnData(ImageData):
    """As ImageData, with the names of the classes: label c is `class_names[c]`."""

    class_names: tuple[str, ...]


def images_from_folder(
    path: str | Path, size: int, *, test_share: float = 0.2, seed: int = 0, name: str | None = None
) -> OwnData:
    """Images sorted into one subfolder a class, as grey squares of `size` pixels, uint8.

    Each image is turned upright, cut to its middle square and resized. Transparent parts become white, 16 bits become 8,
    and of floating images 0 is black and 1 white. Classes are numbered in natural order: 1, 2, 10. Of each class
    `test_share`, drawn at random, is kept for testing. Hidden files are left out. So are files that are no images by their
    ending and folders within a class: a UserWarning counts them. Raises FileNotFoundError where the folder does not exist,
    ValueError where there are fewer than two classes, images lie outside the subfolders, a class has fewer than two images,
    or an image cannot be read or has no known white; the message names it.
    """
    size, path = check_whole("size", size, at_least=1), Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"path: expected a folder with one subfolder a class, got {str(path)!r}")
    name = name or os.path.basename(os.path.abspath(path))  # "." has no name of its own
    folders, left_out = _class_folders(path, name)
    class_names = _in_order(folders)
    files, labels = [], []
    for label, kind in enumerate(class_names):
        images, others = _image_files(folders[kind])
        if len(images) < 2:
            found = f"found {len(images)} in {kind!r}{_left_out(others)}"
            raise ValueError(f"path: expected at least two images of each class, {found}")
        files += images
        left_out += others
        labels += [label] * len(images)
    labels_N = torch.tensor(labels)
    places = _places_by_class(labels_N, test_share, seed)
    pixels_N = torch.empty(len(files), 1, size, size, dtype=torch.uint8)
    for place, file in enumerate(files):
        pixels_N[place] = grey_square(file, size)
    if left_out:
        _warn(f"path: {len(files)} images of {name!r} are used{_left_out(left_out)}")
    if (dark := (pixels_N.amax(dim=(1, 2, 3)) < ALMOST_BLACK).sum().item()) > len(files) / 2:
        _warn(
            f"path: {dark} of {len(files)} images are almost black: no pixel reaches {ALMOST_BLACK} of 255. Files of 16 bits "
            "that use fewer look like this, and so do masks. Multiply all of them by one factor, and save them again"
        )
    return _in_two(pixels_N, labels_N, class_names, places, name)


def _class_folders(path: Path, name: str) -> tuple[dict[str, Path], list[Path]]:
    """The subfolders of a folder by the names of their classes, and the files beside them. Raises ValueError as above."""
    loose, others = _image_files(path)
    if loose:
        raise ValueError(
            f"path: expected every image in the subfolder of its class, found {len(loose)} directly in {name!r} "
            f"({loose[0].name} first). Without a class an image can be neither a first example nor a test. Sort a random "
            "part of them into subfolders, one a class, with at least two images in each, and move the rest elsewhere"
        )
    folders = {_plain(folder.name): folder for folder in others if folder.is_dir()}
    beside = [entry for entry in others if not entry.is_dir()]
    if len(folders) + len(beside) < len(others):
        raise ValueError(f"path: expected subfolders of different names, got {[folder.name for folder in others]}")
    if len(folders) < 2:
        found = f"found {len(folders)} in {name!r}{_left_out(beside)}"
        raise ValueError(f"path: expected at least two subfolders, one a class, {found}")
    return folders, beside


def _warn(sentence: str) -> None:
    """A warning that points to the line that called for the data."""
    warnings.warn(sentence, UserWarning, stacklevel=3)


def _plain(name: str) -> str:
    """A name without what the eye does not see: blanks around it, and letters written as two characters."""
    return unicodedata.normalize("NFC", name).strip()


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names in natural order: numbers by their value, other names by their letters and by the numbers within."""

    def key(name: str) -> tuple:
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", name):
            return 0, float(name), name
        parts = re.split(r"(\d+)", name)  # words at even places, digits at odd ones
        parts[1::2] = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
        return 1, parts, name

    return tuple(sorted(names, key=key))


def _readable_endings() -> dict[str, str]:
    """The endings of image files that are opened, each with its format."""
    return {ending: kind for ending, kind in Image.registered_extensions().items() if kind in FORMATS}


def _image_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of a folder, by name, and what else lies there in the open."""
    endings = _readable_endings()
    shown = [
        entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name.lower() not in NOBODYS
    ]
    images = {entry for entry in shown if entry.is_file() and entry.suffix.lower() in endings}
    return sorted(images), sorted(set(shown) - images)


def _left_out(left_out: list[Path]) -> str:
    """What is left out, counted by kind; an empty string where that is nothing."""
    if not left_out:
        return ""

    def kind(entry: Path) -> str:
        if entry.is_dir():
            return "folders within a class"
        return entry.suffix.lower() or "files without ending" if entry.is_file() else "no regular files"

    counts = Counter(kind(entry) for entry in left_out).most_common()
    told = ", ".join(f"{count} × {word}" for word, count in counts)
    first = f"{left_out[0].parent.name}/{left_out[0].name}"
    return f"; left out: {told} ({first} first). What is read: {', '.join(FORMATS)}"


def grey_square(file: Path, size: int) -> Tensor:
    """One image as [1, size, size], uint8. Raises ValueError, naming the file, where it cannot be read."""
    try:
        with Image.open(file, formats=list(dict.fromkeys(_readable_endings().values()))) as opened:
            grey = _upright_grey(opened)
    except Exception as error:  # decoders raise what they happen to meet: SyntaxError, struct.error, IndexError, ...
        raise ValueError(
            f"path: expected images, but {file.parent.name}/{file.name} cannot be read "
            f"({error!s:.200} [{type(error).__name__}])"
        ) from error
    square = ImageOps.fit(grey, (size, size))
    return torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(1, size, size)


def _upright_grey(image: Image.Image) -> Image.Image:
    """The image in 8 bits of grey, on white. Raises ValueError where it holds several, or has no known black and white."""
    several = getattr(image, "is_animated", False) and image.format != "MPO"  # of telephones: a preview comes second
    if several:
        raise ValueError(f"{image.n_frames} images in one file: save the one that counts, or each in a file of its own")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode[0] in "IF":
        return _in_eight_bits(image)
    if image.mode in ("1", "L", "RGB") and not image.has_transparency_data:  # the same values, in a third of the memory
        return image.convert("L")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits or of floating numbers, scaled by what its type calls white, not by its brightest pixel."""
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # those hold 16 bits
        raise ValueError("whole numbers of 32 bits have no known white: save it with 8 or 16 bits")
    tags = getattr(image, "tag_v2", {})
    white = 1 if image.mode == "F" else 2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1
    levels = np.array(image, dtype=np.float32)
    levels /= white
    if not (levels.min() >= 0 and levels.max() <= 1):  # written so that NaN fails
        raise ValueError(f"pixels from {levels.min():g} to {levels.max():g}, where 0 is black and 1 is white")
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # heeded by Pillow in images of 8 bits
        levels = 1 - levels
    levels *= 255
    return Image.fromarray(np.rint(levels, out=levels).astype(np.uint8))


def table_from_csv(
    path: str | Path, target: str, *, test_share: float = 0.2, seed: int = 0, name: str | None = None
) -> OwnData:
    """A table with a header line: the column `target` names the class, all others are numbers.

    Rows become "images" of one line of F numbers, [N, 1, 1, F], float32, so that the same loop takes them. Each column is
    standardised by mean and deviation of the training rows, and cut off at 10 deviations. Classes are numbered in natural
    order, and blanks around cells do not count. The file is UTF-8 (or UTF-16 that says so), with commas between cells and
    points in numbers. Row numbers, which tell the order of the table, are left out where they have no name, as in tables
    from pandas; a UserWarning says so, or that a named column looks like them. Raises FileNotFoundError where there is no
    such file, ValueError where the column does not exist, columns have one name or none, a row has another length than the
    header, a cell is empty or no number (line and column are named), or a class has fewer than two rows.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a CSV file, got {str(path)!r}")
    lines, target = _cells_by_line(path), _plain(str(target))
    first, header = next(lines, (0, []))
    if not header:
        raise ValueError(f"path: expected a line of column names, but {path.name} is empty")
    features, index = _feature_columns(header, target, first)
    kinds, rows = _kinds_and_numbers(lines, header, target, features)
    class_names, counts = _in_order(set(kinds)), Counter(kinds)
    if rare := [kind for kind in class_names if counts[kind] < 2]:
        raise ValueError(f"target: expected at least two rows of each class, got one of {rare[0]!r}")
    if len(class_names) < 2 or not features:
        found = f"{len(class_names)} and {len(features)}"
        raise ValueError(f"path: expected two classes and a column of numbers, got {found}")
    labels = {kind: label for label, kind in enumerate(class_names)}
    labels_N = torch.tensor([labels[kind] for kind in kinds])
    values_N_F = torch.tensor(rows, dtype=torch.float64)
    if index:
        _warn(f"path: column {index[0]!r} of {path.name} is left out: tables keep their row numbers in it")
    counting_F = (values_N_F.diff(dim=0) == 1).all(dim=0).tolist()
    if counting := [column for column, counts_rows in zip(features, counting_F, strict=True) if counts_rows]:
        _warn(
            f"path: column {counting[0]!r} of {path.name} numbers the rows. Unless that was measured, take it out: in a table "
            "that is sorted it gives the class away"
        )
    train, test = _places_by_class(labels_N, test_share, seed)
    deviation_F = values_N_F[train].std(dim=0)
    scale_F = torch.where(deviation_F > 0, deviation_F, 1)  # a constant column says nothing, and must not divide
    standard_N_F = ((values_N_F - values_N_F[train].mean(dim=0)) / scale_F).clamp(-FARTHEST, FARTHEST).float()
    return _in_two(standard_N_F[:, None, None], labels_N, class_names, (train, test), name or path.stem)


def _kinds_and_numbers(
    lines: Iterator[tuple[int, list[str]]], header: list[str], target: str, features: list[str]
) -> tuple[list[str], list[list[float]]]:
    """The class in each row, and its numbers. Raises ValueError, naming the line, where a cell is missing or no number."""
    kinds, rows = [], []
    for line, cells in lines:
        if len(cells) != len(header):
            too_few = len(cells) < len(header)
            where = f"{header[len(cells)]!r} is missing" if too_few else f"the last is {short(cells[-1])}"
            raise ValueError(
                f"path: expected {len(header)} cells in line {line}, as in the header, got {len(cells)}: {where}. A comma ends "
                "a cell: write decimal points, and put text with commas in quotes"
            )
        row = dict(zip(header, cells, strict=True))
        if row[target].lower() in ("", "nan"):
            raise ValueError(f"path: expected a class in line {line}, column {target!r}, got {row[target]!r}")
        kinds.append(row[target])
        rows.append([_as_number(row[column], column, line) for column in features])
    return kinds, rows


def _cells_by_line(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty: the line where each ends, and its cells without blanks around them."""
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)  # strict: a quote must be closed
    try:
        for row in reader:
            cells = [_plain(cell) for cell in row]
            if cells not in ([], [""]):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"path: line {reader.line_num} of {path.name} cannot be read ({error})") from error


def _text_of(path: Path) -> str:
    """A file of text. Raises ValueError, naming line and column, where it is in another encoding."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = content.decode(encoding)
        before, _, _ = text.partition("\0")  # what a table in UTF-16 that does not say so is full of
        if before == text:
            return text
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    raise ValueError(
        f"path: expected text in UTF-8, got other bytes in line {line}, column {column} of {path.name}. Save it as CSV UTF-8"
    )


def _feature_columns(header: list[str], target: str, line: int) -> tuple[list[str], list[str]]:
    """The columns of numbers, and those of row numbers. Raises ValueError where a name is missing or stands twice."""
    if target not in header:
        marks = [mark for mark in (";", "\t", "|") if any(mark in column for column in header)]
        advice = f". Do its cells end with {marks[0]!r}? Save it with commas, and points in numbers" if marks else ""
        raise ValueError(f"target: expected one of the columns {', '.join(header)}, got {target!r}{advice}")
    others = [column for column in header if column != target]
    index = [column for column in others if column.startswith("Unnamed: 0") or column == header[0] == ""]
    for place, column in enumerate(header):
        if header.index(column) < place:
            raise ValueError(f"path: expected columns of different names in line {line}, got {column!r} twice")
        if not column and column not in (target, *index):
            raise ValueError(f"path: expected a name for every column in line {line}, column {place + 1} has none")
    return [column for column in others if column not in index], index


def _as_number(cell: str, column: str, line: int) -> float:
    """A cell as a number. Raises ValueError, naming line and column, where it is none."""
    try:
        value = float(cell.replace("_", "no number"))  # to Python, 1_5 is fifteen
        if not abs(value) < LARGEST:  # written so that NaN fails
            raise ValueError
    except ValueError as error:
        raise ValueError(
            f"path: expected a number in line {line}, column {column!r}, got {short(cell)}. Fill or drop empty cells, write "
            "decimal points, and turn words into numbers, one column of 0 and 1 for each word"
        ) from error
    return value


def _places_by_class(labels_N: Tensor, test_share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places for training and for testing, drawn class by class: at least one of each class goes to either side."""
    test_share = check_number("test_share", test_share, above=0, below=1)
    shuffled_N = torch.randperm(len(labels_N), generator=stream(seed, "own test data"))
    train, test = [], []
    for label in labels_N.unique():
        of_class = shuffled_N[labels_N[shuffled_N] == label].tolist()
        kept = min(max(round(test_share * len(of_class)), 1), len(of_class) - 1)
        test += of_class[:kept]
        train += of_class[kept:]
    return sorted(train), sorted(test)


def _in_two(
    images: Tensor, labels_N: Tensor, class_names: tuple[str, ...], places: tuple[list[int], list[int]], name: str
) -> OwnData:
    """Training and test data, at the places of `_places_by_class`."""
    train, test = places
    return OwnData(
        name=name,
        train_images=images[train],
        train_labels=labels_N[train],
        test_images=images[test],
        test_labels=labels_N[test],
        class_names=class_names,
    )
