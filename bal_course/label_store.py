"""A person's labels on disk: one line of JSON each, appended and flushed before the next question is shown.

Nothing is ever overwritten. Taking a label back appends a line that says so, and so does starting again, so both can be
undone later, after the kernel has died too. A file looks like this:

    {"labels_of": "harbour", "images": 1437, "classes": ["buoy", "ship"], "data": "95c07a2bf1c6d4a1"}
    {"image": "4f61a4f957218ef3", "label": "ship", "accuracy": 0.712, "seconds": 2.4}
    {"image": "0c9e11d3a7b25f08", "label": null, "accuracy": 0.738, "seconds": 5.1}
    {"undo": true}

An image is named by its content and a class by its name, so that a label stays with its picture when files and folders are
renamed, added or split in another way. A line whose image or class is not among the present ones is kept and not used.
Without these names both are numbers: places in the training set, and classes. Such lines are believed where the places
cannot have changed: for data that are the same on every machine.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from bal_utils.checks import check_number, check_whole
from bal_utils.data.mnist import cache_folder
from bal_utils.runtime import data_home

FIXED = {
    "4f61a4f957218ef3",
    "cce257d1566dca6d",
}  # training images of scikit-learn's digits, as split here, and of MNIST
MOST_BRACKETS = 500  # of a line; one nested to Python's limit would end finalisers that run meanwhile with an error
LONGEST_NAME = 80  # letters of a data set's name in the name of its file


class Answer(NamedTuple):
    """What a person said about one image; `label` is None for "cannot tell"."""

    image: int  # place in the training set
    label: int | None
    accuracy: float = 0.0  # of the model that asked: the learning curve can be drawn again without training
    seconds: float = 0.0  # from question to answer


class _Line(NamedTuple):
    """A label as it stands in the file, the place of its image, and the answer that it is; None where it does not fit."""

    image: int | str
    place: int | None
    answer: Answer | None


class DamagedLabels(ValueError):
    """A file that cannot be taken for labels of these data; the message says which line, and what to do.

    `header` is the file's first line, or empty where that cannot be read either.
    """

    def __init__(self, told: str, header: dict | None = None) -> None:
        super().__init__(told)
        self.header = header or {}


class FileHasChanged(RuntimeError):
    """Somebody else has changed the file; `LabelStore.answers` holds theirs too by now."""


def default_folder() -> Path:
    """Where labels go unless a folder is named: `BAL_LABELS`, else `labels` in the platform's folder for data.

    They used to lie in a folder for caches, which systems empty; what is found there is copied the first time.
    """
    if named := os.environ.get("BAL_LABELS"):
        return Path(named).expanduser()
    return _brought_home(cache_folder() / "labels", data_home() / "labels")


def _brought_home(old: Path, new: Path) -> Path:
    """`new`, which begins as a copy of `old`; `old` where it cannot be copied."""
    if new.exists() or not old.is_dir():
        return new
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=new.parent, prefix=".labels-") as whole:
            os.rename(shutil.copytree(old, Path(whole, "labels")), new)
    except OSError:  # a full disk; or another program was faster
        return new if new.exists() else old
    return new


def content_names(images: Tensor) -> tuple[str, ...]:
    """A name for each image, from its pixels alone; equal images are told apart by a number at the end."""
    kind, names, times = f"{images.dtype} {tuple(images.shape[1:])} ".encode(), [], {}
    for pixels in images.numpy(force=True):
        name = hashlib.sha256(kind + pixels.tobytes()).hexdigest()[:16]
        times[name] = times.get(name, 0) + 1
        names.append(f"{name}-{times[name]}" if times[name] > 1 else name)
    return tuple(names)


def _digest(words: tuple[str, ...]) -> str:
    return hashlib.sha256(" ".join(words).encode(errors="surrogatepass")).hexdigest()[:16]


class LabelStore:
    """The labels in one file, which is created with the first of them.

    `image_names` (see `content_names`) and `class_names` are what the file calls images and classes. Two programs may have
    it open. The second to write is told so (FileHasChanged) and has read the other's lines by then.
    Raises DamagedLabels where the file holds something else; a last line that was cut off, by a crash in the middle of
    writing, is no label yet: it is dropped, and `torn` is true.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str,
        num_images: int,
        num_classes: int,
        image_names: tuple[str, ...] = (),
        class_names: tuple[str, ...] = (),
    ) -> None:
        self.path = Path(path).expanduser()
        self.num_images, self.num_classes = num_images, num_classes
        self.image_names, self.class_names = image_names, class_names
        self.header = {"labels_of": name, "images": num_images}
        if image_names:
            self.header |= {"classes": list(class_names), "data": _digest(image_names)}
        self.found_header: dict = {}  # the file's own; empty where there is none yet
        self.torn = False
        self._places = {name: place for place, name in enumerate(image_names)}
        self._labels = {name: label for label, name in enumerate(class_names)}
        self._events: list[_Line | str] = []
        self._size = self._whole = 0  # bytes that have been read or written; those of them in whole lines
        self._open_end = False  # whether the last line is whole but for its end
        self.refresh()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The labels that count, in the order in which they were given; of two for one image, the later."""
        return tuple({line.place: line.answer for line in self._lines if line.answer is not None}.values())

    @property
    def unused(self) -> int:
        """For how many images the file holds labels that are not used: the image or the class is not among the present."""
        used = {answer.image for answer in self.answers}
        return len({line.image for line in self._lines if line.answer is None and line.place not in used})

    @property
    def is_ours(self) -> bool:
        """Whether the file is about these images and these classes: of each, at least half of what it names is here."""
        if "data" not in self.found_header:
            return self._places_hold and bool(self.found_header)
        lines = [event for event in self._events if event != "clear"]  # what was cleared can be brought back
        named = {line.image for line in lines}
        here = {line.image for line in lines if line.place is not None}
        used = {line.image for line in lines if line.answer is not None}
        images = self.found_header["data"] == self.header["data"] or (2 * len(here) >= len(named) > 0)
        classes = set(self.found_header["classes"])
        known = 2 * len(classes & self._labels.keys()) >= len(classes) or 2 * len(used) >= len(named) > 0
        return images and known

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return bool(self._events) and (self._events[-1] == "clear" or self._events[-1].answer is not None)

    def add(self, answer: Answer) -> None:
        """Writes a label; when this returns, it is on disk."""
        answer = self._checked(answer)
        image, label = answer[:2]
        if self.image_names:
            image = self.image_names[image]
            label = None if label is None else self.class_names[label]
        self._append(answer._asdict() | {"image": image, "label": label})
        self._events.append(_Line(image, answer.image, answer))

    def undo(self) -> None:
        """Takes back the last label, or the last `clear`. Raises ValueError where there is none, or it is not used."""
        if not self._events:
            raise ValueError("There is nothing to undo.")
        if not self.can_undo:
            raise ValueError(
                f"The last label in {self.path.name} is of another image or class: it is kept, and nothing is undone."
            )
        self._append({"undo": True})
        self._events.pop()

    def clear(self) -> None:
        """Starts again with no labels. The old ones stay in the file, and `undo` brings them back."""
        if self.answers:
            self._append({"clear": True})
            self._events.append("clear")

    def refresh(self) -> bool:
        """Reads the file where it is not as this object left it, and says whether it was."""
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size == self._size:
                return False
            content = self.path.read_bytes() if size else b""
        except OSError as error:
            raise DamagedLabels(
                f"{self.path.name} cannot be read ({error.strerror}). Name another folder, and run the cell again."
            ) from error
        end = content.rfind(b"\n") + 1
        self._open_end = _is_whole(content[end:])  # an editor may leave out the last end of line
        self._size, self._whole = len(content), len(content) if self._open_end else end
        self.torn = bool(content[self._whole :].strip())
        self._events = self._replay(content[: self._whole].splitlines())
        return True

    @property
    def _lines(self) -> list[_Line]:
        """The labels since the last `clear`."""
        last_clear = max((place for place, event in enumerate(self._events) if event == "clear"), default=-1)
        return self._events[last_clear + 1 :]

    @property
    def _places_hold(self) -> bool:
        """Whether numbers in the file still mean what they meant when they were written."""
        if not self.image_names:
            return True  # the caller says so
        plain = {name: self.header[name] for name in ("labels_of", "images")}
        return self.found_header == plain and self.header["data"] in FIXED

    def _append(self, line: dict) -> None:
        if self.refresh():
            raise FileHasChanged(f"{self.path.name}: another window has changed this file, which has been read again.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [line] if self.found_header else [self.header, line]
        written = ("\n" * self._open_end + "".join(json.dumps(one) + "\n" for one in lines)).encode()
        with open(self.path, "ab") as file:
            if self._whole < self._size:
                file.truncate(self._whole)
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        # not the file's size: if somebody wrote at the very same moment, the next `refresh` must notice
        self._size = self._whole = self._whole + len(written)
        self.found_header = self.found_header or self.header
        self.torn = self._open_end = False

    def _replay(self, lines: list[bytes]) -> list[_Line | str]:
        events: list[_Line | str] = []
        self.found_header = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = _parsed(line)
                if not isinstance(found, dict):
                    raise ValueError("expected {...}")
                if not self.found_header:
                    self._check_header(found)
                    self.found_header = found
                elif found == {"undo": True}:
                    events.pop()
                elif found == {"clear": True}:
                    events.append("clear")
                else:
                    events.append(self._line(found))
            except (ValueError, IndexError, OverflowError) as error:  # bad bytes are a ValueError too
                raise DamagedLabels(
                    f"{self.path.name}, line {number}, cannot be read ({str(error)[:200]}). Nothing has been changed. "
                    "Mend or delete that line in a text editor, or name another folder, and run the cell again.",
                    self.found_header,
                ) from error
        return events

    def _check_header(self, found: dict) -> None:
        classes = found.get("classes", [])
        wrong = not {"labels_of", "images"} <= found.keys() or ("data" in found) != ("classes" in found)
        if wrong or not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"expected a line that says what the labels are of, got {str(found)[:60]}")
        if not self.image_names and found != self.header:
            ours = f"{self.header['labels_of']} ({self.header['images']} images)"
            raise ValueError(f"expected labels of {ours}, got {found.get('labels_of')!r} ({found.get('images')})")

    def _line(self, found: dict) -> _Line:
        """A label of the file. ValueError where it is none."""
        try:
            answer = Answer(**found)
        except TypeError as error:
            raise ValueError(f"line: expected image and label, got {str(list(found))[:60]}") from error
        place = self._present("image", answer.image, self._places, self.num_images)
        label = None if answer.label is None else self._present("label", answer.label, self._labels, self.num_classes)
        fits = place is not None and (label is not None or answer.label is None)
        return _Line(answer.image, place, self._checked(answer._replace(image=place, label=label)) if fits else None)

    def _present(self, field: str, value: int | str, known: dict[str, int], count: int) -> int | None:
        """The number of an image or a class that the file names; None where it is not among the present ones."""
        if isinstance(value, str) and self.image_names:
            return known.get(value)
        if self._places_hold:
            return check_whole(field, value, at_least=0, at_most=count - 1)
        check_whole(field, value, at_least=0)
        return None

    def _checked(self, answer: Answer) -> Answer:
        """The answer in Python's own numbers; ValueError where an image or a class does not exist."""
        image = check_whole("image", answer.image, at_least=0, at_most=self.num_images - 1)
        label = answer.label
        if label is not None:
            label = check_whole("label", label, at_least=0, at_most=self.num_classes - 1)
        accuracy = check_number("accuracy", answer.accuracy, at_least=0, at_most=1)
        return Answer(image, label, accuracy, check_number("seconds", answer.seconds, at_least=0))


def _is_whole(line: bytes) -> bool:
    """Whether a line without its end is whole: a part of {...} is never itself JSON."""
    try:
        return isinstance(_parsed(line), dict)
    except ValueError:
        return False


def _parsed(line: bytes) -> object:
    """The JSON of a line. ValueError where it is none, or nested by more brackets than any label needs."""
    if line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
        raise ValueError(f"expected at most {MOST_BRACKETS} opening brackets")
    return json.loads(line)


def open_labels(
    folder: str | Path, *, name: str, images: Tensor, class_names: tuple[str, ...]
) -> tuple[LabelStore, str]:
    """The labels of these training images in a folder, whatever their file is called; and what is kept and not used, in words.

    Where there are none, the store of a new file, whose name says what data these are. Raises DamagedLabels where a file that
    may be theirs cannot be read.
    """
    folder = Path(folder).expanduser()
    data = {"name": name, "num_images": len(images), "num_classes": len(class_names)}
    data |= {"image_names": content_names(images), "class_names": class_names}
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:LONGEST_NAME] or "labels"  # never a path of its own
    stores = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            stores.append(LabelStore(path, **data))
        except DamagedLabels as error:
            if re.fullmatch(re.escape(stem) + "(-[0-9a-f]{8})?", path.stem) or error.header.get("labels_of") == name:
                raise
    digest = _digest(data["image_names"])
    if ours := [store for store in stores if store.is_ours]:
        chosen = max(ours, key=lambda store: (store.found_header.get("data") == digest, len(store.answers)))
    else:
        endings = [""] * (digest in FIXED) + [f"-{_digest((digest, *class_names))[:8]}"]
        paths, taken = [folder / f"{stem}{end}.jsonl" for end in endings], {s.path for s in stores if s.found_header}
        chosen = LabelStore(next((path for path in paths if path not in taken), paths[-1]), **data)
    return chosen, _kept(name, chosen, [store for store in stores if store.path != chosen.path])


def _kept(name: str, chosen: LabelStore, others: list[LabelStore]) -> str:
    """A sentence on the labels that one might miss: of the same name or the same images, and not used."""
    unused = {chosen.path.name: chosen.unused}
    for store in others:
        if store.found_header.get("labels_of") == name or any(line.place is not None for line in store._lines):
            unused[store.path.name] = len({line.image for line in store._lines})
    files = [file for file, count in unused.items() if count]
    if not files:
        return ""
    count = sum(unused.values())
    are, they = ("label is", "it was") if count == 1 else ("labels are", "they were")
    return (
        f"{count} more {are} kept in {', '.join(files)} and not used: {they} given to other images, for other classes or in "
        "another split."
    )
