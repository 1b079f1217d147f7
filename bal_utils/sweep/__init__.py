"""Strategies × batch sizes × seeds, one record a run: `python -m bal_utils.sweep --help`.

`run_sweep` hands the runs to one of three engines. Each yields an index and an outcome as soon as a run ends.

    runs.run_one, one run after the other, by   workers.run_in_processes    in processes of this machine (`--jobs`)
                                                cluster.run_on_cluster      on a Dask cluster (`--scheduler`)
    runs.run_in_lanes, with networks of         lanes.Lanes                 trained together, for a GPU (`--lanes`)

`__main__` reads the command line and draws the curves, `replication` reads the records and compares them.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import joblib
from tqdm.auto import tqdm

from bal_utils.active_learning import MODELS, LoopConfig, Split
from bal_utils.checks import check_whole
from bal_utils.data.images import ImageSet
from bal_utils.runtime import choose_device
from bal_utils.sweep.replication import load_groups
from bal_utils.sweep.runs import Outcome, error_sentence, run_in_lanes, run_one, save_if_longer, usable_record
from bal_utils.sweep.workers import run_in_processes

ALL_OF_MNIST = ImageSet()


class RunsFailed(RuntimeError):
    """Some runs of a sweep failed; the others are finished."""


def run_sweep(
    configs: Sequence[LoopConfig],
    out: str | Path,
    *,
    images: ImageSet = ALL_OF_MNIST,
    device: str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    lanes: int = 1,
) -> list[dict]:
    """Runs every configuration, each into its own record below `out`, and returns the records in that order.

    Runs found there are continued from their last round; finished ones are read. `jobs` runs go on at a time, each in a
    process of its own; with the address of a Dask `scheduler`, as many as its cluster has workers; with several `lanes`, as
    many in this process, their networks trained together. Raises ValueError before anything is trained for arguments that
    cannot be right, where two configurations would share a file, or where `out` has runs on other images, OSError where the
    folder or the cluster cannot be used, and RunsFailed, once all others are finished, for runs that failed.
    """
    configs, lanes = list(configs), check_whole("lanes", lanes, at_least=1)
    paths = run_paths(configs, out)
    _make_folder(out)
    if scheduler is None:  # workers of a cluster have images and devices of their own, and each run checks them
        _check_here(configs, images, out, device)
    if lanes > 1:
        running = run_in_lanes(configs, images, paths, num_lanes=lanes, device=device)
    else:
        running = _run_each(configs, images, paths, device=device, jobs=jobs, scheduler=scheduler)

    records, failures = {}, {}
    with contextlib.closing(running) as outcomes, tqdm(total=len(paths), desc="runs", unit="run") as bar:
        for index, outcome in outcomes:
            path = paths[index]
            try:
                if isinstance(outcome, str):  # why it failed
                    raise ValueError(outcome)
                save_if_longer(path, outcome)
            except (ValueError, OSError) as error:
                failures[path.name] = str(error)
            else:
                records[index] = outcome
                bar.set_postfix_str(path.stem, refresh=False)
            bar.update()
    if failures:
        raise RunsFailed(_failure_sentence(failures, len(paths)))
    return [records[index] for index in range(len(paths))]


def run_name(config: LoopConfig) -> str:
    """The file name of a run's record, for example `bald_b10_seed0.json`."""
    posterior = "" if config.posterior == "mc_dropout" else f"{config.posterior}_"
    return f"{posterior}{config.strategy}_b{config.batch_size}_seed{config.seed}.json"


def run_paths(configs: Sequence[LoopConfig], out: str | Path) -> list[Path]:
    """A file for each run, named in full because workers start in other folders."""
    paths = [Path(out).absolute() / run_name(config) for config in configs]
    if len(set(paths)) != len(paths):
        raise ValueError("configs: expected runs that differ in strategy, batch size or seed, got two of one name")
    return paths


def _make_folder(out: str | Path) -> None:
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise OSError(f"out: expected a folder to write to, got {str(out)!r} ({error.strerror})") from error


def _check_here(configs: Sequence[LoopConfig], images: ImageSet, out: str | Path, device: str | None) -> None:
    """Raises ValueError for what would fail runs on this machine, or the drawing of their figure, before any is trained."""
    choose_device(device)
    groups = {}
    with contextlib.suppress(FileNotFoundError), warnings.catch_warnings(action="ignore"):  # said when they are drawn
        groups = load_groups(out)
    names_there = {run["data"]["name"] for runs in groups.values() for run in runs}
    # what is wrong with images or network is so for every strategy, batch size and seed: one run of each kind is tried
    kinds = {replace(config, strategy="random", batch_size=1, seed=0): config for config in configs}
    for config in kinds.values():
        data = images.load(config.seed)
        if others := names_there - {data.name}:
            raise ValueError(
                f"out: expected a folder for runs on {data.name}, got {str(out)!r} with runs on {others.pop()}"
            )
        Split(data, config)
        MODELS[config.model](data)


def _run_each(
    configs: Sequence[LoopConfig],
    images: ImageSet,
    paths: Sequence[Path],
    *,
    device: str | None,
    jobs: int,
    scheduler: str | None,
) -> Iterator[tuple[int, Outcome]]:
    """The index and outcome of each run, as they end: in processes of this machine or on the workers of a cluster."""
    options = {"device": device, "progress": jobs == 1 and scheduler is None}
    if scheduler is not None:
        from bal_utils.sweep.cluster import run_on_cluster, unwanted

        options["unwanted"] = unwanted
    tasks = [
        joblib.delayed(run_one)(index, config, images, path, usable_record(path), **options)
        for index, (config, path) in enumerate(zip(configs, paths, strict=True))
    ]
    if scheduler is None:
        return run_in_processes(tasks, jobs)
    return run_on_cluster(tasks, scheduler, lost=lambda arguments, error: (arguments[0], error_sentence(error)))


def _failure_sentence(failures: dict[str, str], total: int) -> str:
    """How many runs failed, and which for which reason."""
    names: dict[str, list[str]] = {}
    for name, reason in failures.items():
        names.setdefault(reason, []).append(name)
    parts = []
    for reason, alike in names.items():
        more = " …" if len(alike) > 3 else ""
        parts.append(f"{', '.join(alike[:3])}{more}: {reason}")
    others = ", the others are finished" if len(failures) < total else ""
    return f"{len(failures)} of {total} runs failed{others}. {'; '.join(parts)}"
