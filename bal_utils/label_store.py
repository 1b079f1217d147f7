"""A person's labels on disk: one line of JSON each, appended and flushed before the next question is shown.

Nothing is ever overwritten. Taking a label back appends a line that says so, and so does starting again, so both can be
undone later, after the kernel has died too. A file looks like this:

    {"labels_of": "scikit-learn digits", "images": 1437}
    {"image": 17, "label": 3, "accuracy": 0.712, "seconds": 2.4}
    {"image": 940, "label": null, "accuracy": 0.738, "seconds": 5.1}
    {"undo": true}
"""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from bal_utils.mnist import cache_folder


class Answer(NamedTuple):
    """What a person said about one image; `label` is None for "cannot tell"."""

    image: int  # place in the training set
    label: int | None
    accuracy: float = 0.0  # of the model that asked: the learning curve can be drawn again without training
    seconds: float = 0.0  # from question to answer


class DamagedLabels(ValueError):
    """A file that cannot be taken for labels of these data; the message says which line, and what to do."""


class FileHasChanged(RuntimeError):
    """Somebody else has changed the file; `LabelStore.answers` holds theirs too by now."""


def default_folder() -> Path:
    """Where labels go unless a folder is named: `labels` in `BAL_CACHE_DIR`, else in the platform's cache folder.

    While pytest runs, a new empty folder each time: a test must neither see nor touch what a person has labelled.
    """
    if "PYTEST_VERSION" in os.environ:
        return Path(tempfile.mkdtemp(prefix="labels-"))
    return cache_folder() / "labels"


class LabelStore:
    """The labels in one file, which is created with the first of them.

    Two programs may have it open. The second to write is told so (FileHasChanged) and has read the other's lines by then.
    Raises DamagedLabels where the file holds something else; a last line without its end, left by a crash in the middle
    of writing, is no label yet: it is dropped, and `torn` is true.
    """

    def __init__(self, path: str | Path, *, name: str, num_images: int, num_classes: int) -> None:
        self.path = Path(path).expanduser()
        self.header = {"labels_of": name, "images": num_images}
        self.num_classes = num_classes
        self.torn = False
        self._events: list[Answer | str] = []
        self._size = self._whole = 0  # bytes that have been read or written; those of them in whole lines
        self.refresh()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The labels that count, in the order in which they were given; of two for one image, the later."""
        last_clear = max((place for place, event in enumerate(self._events) if event == "clear"), default=-1)
        return tuple({event.image: event for event in self._events[last_clear + 1 :]}.values())

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return bool(self._events)

    def add(self, answer: Answer) -> None:
        """Writes a label; when this returns, it is on disk."""
        self._check(answer._asdict(), "answer")
        self._append(answer._asdict())
        self._events.append(answer)

    def undo(self) -> None:
        """Takes back the last label, or the last `clear`. Raises ValueError where there is none."""
        if not self._events:
            raise ValueError("There is nothing to undo.")
        self._append({"undo": True})
        self._events.pop()

    def clear(self) -> None:
        """Starts again with no labels. The old ones stay in the file, and `undo` brings them back."""
        if self.answers:
            self._append({"clear": True})
            self._events.append("clear")

    def refresh(self) -> bool:
        """Reads the file where it is not as this object left it, and says whether it was."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == self._size:
            return False
        content = self.path.read_bytes() if size else b""
        whole = content[: content.rfind(b"\n") + 1]
        self._events = self._replay(whole.splitlines())
        self._size, self._whole, self.torn = len(content), len(whole), len(whole) < len(content)
        return True

    def _append(self, line: dict) -> None:
        if self.refresh():
            raise FileHasChanged(f"{self.path.name}: another window has changed this file, which has been read again.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [line] if self._whole else [self.header, line]
        written = "".join(json.dumps(one) + "\n" for one in lines).encode()
        with open(self.path, "ab") as file:
            if self.torn:
                file.truncate(self._whole)
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        # not the file's size: if somebody wrote at the very same moment, the next `refresh` must notice
        self._size = self._whole = self._whole + len(written)
        self.torn = False

    def _replay(self, lines: list[bytes]) -> list[Answer | str]:
        events: list[Answer | str] = []
        for number, line in enumerate(lines, start=1):
            try:
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError("expected {...}")
                if number == 1:
                    self._check_header(found)
                elif found == {"undo": True}:
                    events.pop()
                elif found == {"clear": True}:
                    events.append("clear")
                else:
                    events.append(self._check(found, "line"))
            except (ValueError, IndexError) as error:  # undecodable bytes are a ValueError too
                raise DamagedLabels(
                    f"{self.path.name}, line {number}, cannot be read ({error}). Nothing has been changed. "
                    "Mend or delete that line in a text editor, or name another folder, and run the cell again."
                ) from error
        return events

    def _check_header(self, found: dict) -> None:
        if found != self.header:
            ours = f"{self.header['labels_of']} ({self.header['images']} images)"
            raise ValueError(f"expected labels of {ours}, got {found.get('labels_of')!r} ({found.get('images')})")

    def _check(self, found: dict, name: str) -> Answer:
        """The answer in a dictionary; ValueError where an image or a class does not exist."""
        try:
            answer = Answer(**found)
        except TypeError as error:
            raise ValueError(f"{name}: expected image and label, got {', '.join(map(repr, found))}") from error
        for field, value, end in (
            ("image", answer.image, self.header["images"]),
            ("label", answer.label, self.num_classes),
        ):
            missing = field == "label" and value is None
            if not missing and not (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end):
                raise ValueError(f"{field}: expected a whole number from 0 to {end - 1}, got {value!r}")
        for field in ("accuracy", "seconds"):
            if isinstance(value := getattr(answer, field), bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{field}: expected a number, got {value!r}")
        return answer
