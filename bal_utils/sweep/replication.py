"""Our runs beside the published ones: labels to reach an accuracy, the gap between two strategies, duplicates.

Dimensions: S seeds, R rounds.
"""

import csv
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from bal_utils.acquisition import find_strategy
from bal_utils.checks import check_whole
from bal_utils.records import is_complete, labels_to_reach, load_run, record_paths, stack_runs
from bal_utils.theory.intervals import has_interval, interval, quartiles

REMARKS = {"deterministic": ", one network", "mc_dropout_fresh": ", fresh masks"}


class Group(NamedTuple):
    """What runs that differ only in their seed have in common."""

    strategy: str
    batch_size: int
    posterior: str = "mc_dropout"

    @property
    def remark(self) -> str:
        """What stands behind the strategy's name where the committee is not that of shared masks."""
        return REMARKS.get(self.posterior, "")

    @property
    def title(self) -> str:
        """What readers see: "BALD", "BALD, fresh masks". ValueError where the strategy is unknown."""
        return find_strategy(self.strategy).title + self.remark


def _group(run: dict) -> Group:
    """The group of a record."""
    config = run["config"]
    return Group(config["strategy"], config["batch_size"], config["posterior"])


def load_groups(folder: str | Path) -> dict[Group, list[dict]]:
    """All records below a folder by group, each group's in the order of their seeds. Unfinished runs come too.

    A seed counts once: of copies of a run, the longest is taken. Copies and files that are no records are left out, and a
    warning says so. Raises FileNotFoundError where there is no record, ValueError where the records are of several data
    sets, or those of one seed of different runs.
    """
    found, other_files = _read(folder)
    runs, copies = _longest_of_each_seed(found)
    if left_out := other_files + copies:
        more = " …" if len(left_out) > 5 else ""
        shown = f"{', '.join(left_out[:5])}{more} ({len(left_out)} in all)"
        warnings.warn(f"left out of the runs in {folder}: {shown}", stacklevel=2)
    groups: dict[Group, list[dict]] = {}
    for run in sorted(runs, key=lambda run: run["config"]["seed"]):
        groups.setdefault(_group(run), []).append(run)
    return groups


def _read(folder: str | Path) -> tuple[dict[Path, dict], list[str]]:
    """The runs on the one data set of a folder by file, and the names of the files that hold none."""
    found, other_files = {}, []
    for path in record_paths(folder):
        try:
            run = load_run(path)
        except (ValueError, OSError):
            run = {}
        if is_complete(run) and run["rounds"]:
            found[path] = run
        else:
            other_files.append(f"{path.name}, no record of a run")
    if not found:
        raise FileNotFoundError(f"folder: expected run records below {str(folder)!r}, found other files only")
    if len(names := sorted({run["data"]["name"] for run in found.values()})) > 1:
        raise ValueError(f"folder: expected runs on one data set, got {' and '.join(names)} in {str(folder)!r}")
    return found, other_files


def _longest_of_each_seed(found: Mapping[Path, dict]) -> tuple[list[dict], list[str]]:
    """The longest run of each seed, and the names of its copies."""
    longest: dict[tuple[Group, int], Path] = {}
    copies = []
    for path in sorted(found, key=lambda path: -len(found[path]["rounds"])):
        run = found[path]
        first = longest.setdefault((_group(run), run["config"]["seed"]), path)
        if first != path:
            if _identity(run) != _identity(found[first]):
                raise ValueError(f"folder: expected one run of a seed, got two different ones: {first} and {path}")
            copies.append(f"{path.name}, a copy of {first.name}")
    return [found[path] for path in longest.values()], copies


def _identity(run: dict) -> tuple[dict, dict, list]:
    """What copies of a run share, even where one of them was continued to more labels."""
    return {**run["config"], "labels": None}, run["data"], run["start"]


def labels_quartiles(runs: Iterable[dict], accuracy: float) -> tuple[float, float, float]:
    """25 %, 50 % and 75 % over seeds of the labels at which a run's test accuracy is first `accuracy` or more.

    Counts the labels in the training set when that was measured. Infinity stands for "never in this run".
    Raises ValueError where there are no runs.
    """
    reached_S = [labels_to_reach(*curve_of(run), accuracy) for run in runs]
    return quartiles(np.array(reached_S))


def curve_of(run: dict) -> tuple[ndarray, ndarray]:
    """labels_R and accuracy_R of one run."""
    labels_R, accuracy_1_R = stack_runs([run], "accuracy")
    return labels_R, accuracy_1_R[0]


def up_to(runs: Iterable[dict], labels: int) -> list[dict]:
    """The same runs without their rounds with more than `labels` labels in the training set, as new records."""
    return [run | {"rounds": [entry for entry in run["rounds"] if entry["labels"] <= labels]} for run in runs]


def paired_lead(
    runs: Iterable[dict], rivals: Iterable[dict], *, at: int | None = None
) -> tuple[float, tuple[float, float] | None, int]:
    """How many points of accuracy `runs` are ahead of `rivals`: `leads_by_seed`, averaged over the pairs.

    Returns the mean, its 95 % interval (Student's t; None for one pair), and the number of pairs. Raises ValueError where
    there is no pair.
    """
    leads_S = np.array(list(leads_by_seed(runs, rivals, at=at).values()))
    if not len(leads_S):
        raise ValueError("runs: expected a seed that the rivals have too, measured with as many labels, got none")
    return float(leads_S.mean()), interval(leads_S) if has_interval(leads_S) else None, len(leads_S)


def leads_by_seed(runs: Iterable[dict], rivals: Iterable[dict], *, at: int | None = None) -> dict[int, float]:
    """For each seed that both have, the points of accuracy that its run is ahead of its rival.

    Averaged over the labels that both were measured at, the start left out, or with exactly `at` labels; a seed without
    any is left out too. A pair shares its pool, start and validation images.
    """
    mine, theirs = ({run["config"]["seed"]: run for run in group} for group in (runs, rivals))
    leads = {seed: _leads(mine[seed], theirs[seed], at) for seed in sorted(mine.keys() & theirs.keys())}
    return {seed: 100 * float(np.mean(leads_R)) for seed, leads_R in leads.items() if leads_R}


def _leads(run: dict, rival: dict, at: int | None) -> list[float]:
    curves = [dict(zip(*curve_of(one), strict=True)) for one in (run, rival)]
    shared = sorted(curves[0].keys() & curves[1].keys())
    start = len(run["start"])  # both begin with the same images: nothing to compare yet
    return [curves[0][count] - curves[1][count] for count in shared if count > start and at in (None, count)]


def share_of_duplicates(run: dict, copies: int) -> float:
    """The share of a run's acquired images that are copies of an image labelled before them (Repeated MNIST).

    Copy k of image n stands at k·N + n of `repeated_images`, so images are the same where their places are equal modulo N.
    Raises ValueError where the run's images are not so many copies, or it has acquired none.
    """
    num_images, rest = divmod(run["data"]["train"], check_whole("copies", copies, at_least=1))
    if rest:
        raise ValueError(f"copies: expected a divisor of the {run['data']['train']} training images, got {copies}")
    seen = {place % num_images for place in run["start"]}
    acquired = [place % num_images for entry in run["rounds"] for place in entry["acquired"]]
    if not acquired:
        raise ValueError("run: expected one that has acquired images, got none")
    duplicates = 0
    for image in acquired:
        duplicates += image in seen
        seen.add(image)
    return duplicates / len(acquired)


def published(path: str | Path, **wanted: str | int) -> list[Mapping[str, str]]:
    """The rows of a table of published numbers (`figures/published/`) that have the wanted values.

    For example `published("../figures/published/labels_to_reach.csv", source="kirsch2019", strategy="bald", batch_size=10)`.
    Raises ValueError where a column does not exist.
    """
    with open(path, newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        columns, rows = table.fieldnames or (), list(table)
    for column in wanted:
        if column not in columns:
            raise ValueError(f"{column}: expected one of the columns {', '.join(columns)}")
    return [row for row in rows if all(row[column] == str(value) for column, value in wanted.items())]
