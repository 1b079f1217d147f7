"""Labels to and from other programs: the tasks of Label Studio in JSON, and a plain CSV table.

Both name an image by its address, such as a path or a URL, and a class by its name. "Cannot tell" is a cancelled annotation
in JSON and an empty cell in CSV.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from bal_course.label_store import Answer

FIELD, CONTROL = "image", "label"  # the names of <Image> and <Choices> in the labelling set-up
COLUMNS = ("image", "label", "seconds")


def save_label_studio(
    path: str | Path, answers: Iterable[Answer], addresses: Sequence[str], class_names: Sequence[str]
) -> None:
    """Writes answers as tasks with one annotation each, to be imported; `answer.image` is a place in `addresses`."""
    tasks = []
    for answer in answers:
        chosen = [] if answer.label is None else [class_names[answer.label]]
        choice = {"from_name": CONTROL, "to_name": FIELD, "type": "choices", "value": {"choices": chosen}}
        annotation = {"result": [choice] if chosen else [], "was_cancelled": not chosen, "lead_time": answer.seconds}
        tasks.append({"data": {FIELD: addresses[answer.image]}, "annotations": [annotation]})
    Path(path).write_text(json.dumps(tasks, indent=1), encoding="utf-8")


def load_label_studio(path: str | Path, addresses: Sequence[str], class_names: Sequence[str]) -> list[Answer]:
    """The answers in an export of Label Studio (format JSON): of each task the last annotation; tasks without one are left out.

    Raises ValueError, naming the task, where an image or a class is not among those given, or the file is of another form.
    """
    try:
        tasks = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{Path(path).name}: expected JSON, got {error}") from error
    if not isinstance(tasks, list):
        raise ValueError(f"{Path(path).name}: expected a list of tasks, got {type(tasks).__name__}")
    answers = []
    for number, task in enumerate(tasks, start=1):
        try:
            address, annotations = task["data"][FIELD], task.get("annotations", [])
            if not annotations:
                continue
            results = [] if annotations[-1].get("was_cancelled") else annotations[-1]["result"]
            names = [name for one in results if one["type"] == "choices" for name in one["value"]["choices"]]
            seconds = annotations[-1].get("lead_time") or 0.0
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{Path(path).name}, task {number}: expected an image and choices, got {error!r}"
            ) from error
        if len(names) > 1:
            raise ValueError(f"{Path(path).name}, task {number}: expected one class, got {names}")
        where = f"{Path(path).name}, task {number}"
        answers.append(_answer(where, address, names[0] if names else None, seconds, addresses, class_names))
    return answers


def save_csv(path: str | Path, answers: Iterable[Answer], addresses: Sequence[str], class_names: Sequence[str]) -> None:
    """Writes answers as a table with a line each: image, label, seconds."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for answer in answers:
            name = "" if answer.label is None else class_names[answer.label]
            table.writerow([addresses[answer.image], name, answer.seconds])


def load_csv(path: str | Path, addresses: Sequence[str], class_names: Sequence[str]) -> list[Answer]:
    """What `save_csv` wrote. Raises ValueError, naming the line, where an image or a class is not among those given."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := set(COLUMNS[:2]) - set(table.fieldnames or ()):
            raise ValueError(
                f"{Path(path).name}: expected columns image and label, without {', '.join(sorted(missing))}"
            )
        return [
            _answer(
                f"{Path(path).name}, line {table.line_num}",
                row["image"],
                row["label"] or None,
                row.get("seconds") or 0.0,
                addresses,
                class_names,
            )
            for row in table
        ]


def _answer(
    where: str,
    address: str,
    name: str | None,
    seconds: float | str,
    addresses: Sequence[str],
    class_names: Sequence[str],
) -> Answer:
    if address not in addresses:
        raise ValueError(f"{where}: expected an image that is known, got {address!r}")
    if name is not None and name not in class_names:
        raise ValueError(f"{where}: expected a label out of {', '.join(class_names)}, got {name!r}")
    label = None if name is None else list(class_names).index(name)
    try:
        return Answer(list(addresses).index(address), label, seconds=float(seconds))
    except ValueError as error:
        raise ValueError(f"{where}: expected seconds as a number, got {seconds!r}") from error
