"""Strategies × batch sizes × seeds, one record a run: `python -m bal_utils.sweep --help`."""

import argparse
import contextlib
import math
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from tqdm.auto import tqdm

from bal_utils import plotting
from bal_utils.acquisition import ACQUISITIONS, find_strategy
from bal_utils.active_learning import (
    KIRSCH_START,
    MODELS,
    POSTERIORS,
    PROTOCOLS,
    LoopConfig,
    Split,
    is_finished,
    loop_config,
)
from bal_utils.checks import check_whole
from bal_utils.data.images import ImageSet
from bal_utils.records import replaced, stack_runs
from bal_utils.runtime import SCALES, choose_device, scale
from bal_utils.sweep.replication import Group, load_groups
from bal_utils.sweep.runs import attempt, attempt_in_lanes, found_at, keep, reason
from bal_utils.sweep.workers import run_in_processes
from bal_utils.training.fit import STOP_ON

ALL_OF_MNIST = ImageSet()
CLUSTER_HELP = """\
on a Dask cluster:
  dask scheduler                                     # prints its address, such as tcp://192.168.0.1:8786
  dask worker ADDRESS --nthreads 1 --nworkers 4      # on every machine
  python -m bal_utils.sweep ... --scheduler ADDRESS --out /shared/runs

All three need the same packages and the same version of this course. --out should be a folder that all machines see at
the same path, with file locks (NFS has them): a run whose worker dies then continues elsewhere from its last round.
Records of workers that cannot write to that path come back at the end of each run and are saved by this command.
Workers look for images where they are: set BAL_DATA_DIR for them too.
"""


def run_name(config: LoopConfig) -> str:
    """The file name of a run's record, for example `bald_b10_seed0.json`."""
    posterior = "" if config.posterior == "mc_dropout" else f"{config.posterior}_"
    return f"{posterior}{config.strategy}_b{config.batch_size}_seed{config.seed}.json"


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
    paths = paths_of(configs, out)
    make_folder(out)
    if scheduler is None:  # workers of a cluster have images and devices of their own, and each run checks them
        check_here(configs, images, out, device)
    if lanes > 1:
        started = attempt_in_lanes(configs, images, paths, num_lanes=lanes, device=device)
    else:
        alone = jobs == 1 and scheduler is None
        tasks = [
            joblib.delayed(attempt)(index, config, images, path, found_at(path), device=device, progress=alone)
            for index, (config, path) in enumerate(zip(configs, paths, strict=True))
        ]
        started = outcomes_of(tasks, jobs, scheduler)
    records, failures = {}, {}
    with (
        contextlib.closing(started) as outcomes,
        tqdm(total=len(paths), desc="runs", unit="run") as bar,
    ):
        for index, outcome in outcomes:
            try:
                if isinstance(outcome, str):
                    raise ValueError(outcome)
                keep(paths[index], outcome)
            except (ValueError, OSError) as error:
                failures[paths[index].name] = str(error)
            else:
                records[index] = outcome
                bar.set_postfix_str(paths[index].stem, refresh=False)
            bar.update()
    if failures:
        raise RunsFailed(failure_sentence(failures, len(paths)))
    return [records[index] for index in range(len(paths))]


def paths_of(configs: Sequence[LoopConfig], out: str | Path) -> list[Path]:
    """A file for each run, named in full because workers start in other folders."""
    paths = [Path(out).absolute() / run_name(config) for config in configs]
    if len(set(paths)) != len(paths):
        raise ValueError("configs: expected runs that differ in strategy, batch size or seed, got two of one name")
    return paths


def make_folder(out: str | Path) -> None:
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise OSError(f"out: expected a folder to write to, got {str(out)!r} ({error.strerror})") from error


def check_here(configs: Sequence[LoopConfig], images: ImageSet, out: str | Path, device: str | None) -> None:
    """Raises ValueError for what would fail runs on this machine, or the drawing of their figure, before any is trained."""
    choose_device(device)
    found: dict[Group, list[dict]] = {}
    with contextlib.suppress(FileNotFoundError), warnings.catch_warnings(action="ignore"):  # said when they are drawn
        found = load_groups(out)
    names = {run["data"]["name"] for runs in found.values() for run in runs}
    for config in {replace(config, strategy="random", batch_size=1, seed=0): config for config in configs}.values():
        data = images.load(config.seed)
        if others := names - {data.name}:
            raise ValueError(
                f"out: expected a folder for runs on {data.name}, got {str(out)!r} with runs on {others.pop()}"
            )
        Split(data, config)
        MODELS[config.model](data)


def outcomes_of(tasks: list, jobs: int, scheduler: str | None) -> Iterator[tuple[int, dict | str]]:
    """What `attempt` returns, in the order in which the runs end."""
    if scheduler is None:
        return run_in_processes(tasks, jobs)
    from bal_utils.sweep.cluster import run_on_cluster, unwanted

    tasks = [(function, given, {**options, "unwanted": unwanted}) for function, given, options in tasks]
    return run_on_cluster(tasks, scheduler, lost=lambda arguments, error: (arguments[0], reason(error)))


def failure_sentence(failures: dict[str, str], total: int) -> str:
    """How many runs failed, and which for which reason."""
    names: dict[str, list[str]] = {}
    for name, why in failures.items():
        names.setdefault(why, []).append(name)
    parts = [f"{', '.join(some[:3])}{' …' * (len(some) > 3)}: {why}" for why, some in names.items()]
    others = ", the others are finished" * (len(failures) < total)
    return f"{len(failures)} of {total} runs failed{others}. {'; '.join(parts)}"


def progress_sentence(configs: Sequence[LoopConfig], out: str | Path) -> str:
    """How far a sweep has come, from its records."""
    runs = [(found_at(path), config) for path, config in zip(paths_of(configs, out), configs, strict=True)]
    begun = [record is not None for record, _ in runs]
    ended = [record is not None and is_finished(record, config) for record, config in runs]
    return (
        f"{sum(ended)} of {len(runs)} runs finished, {sum(begun) - sum(ended)} begun; every finished round is kept in {out}, "
        "and the same command continues"
    )


def draw_learning_curves(out: str | Path) -> Path:
    """Draws accuracy against labels for all records below `out` into `learning_curve.png` there, a panel a batch size."""
    groups = load_groups(out)
    panels = sorted({(group.posterior, group.batch_size) for group in groups}, key=lambda panel: (panel[1], panel[0]))
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    size = (7, 4.5) if columns == 1 else (6 * columns, 4 * rows)
    plotting.use_style()
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    try:
        for ax, panel in zip(axes.flat, panels, strict=False):
            draw_panel(ax, groups, *panel)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        data = next(iter(groups.values()))[0]["data"]["name"]
        figure.suptitle(f"{data}: accuracy on the test set, median over seeds", x=0.01, ha="left")
        with replaced(path := Path(out) / "learning_curve.png") as part:
            figure.savefig(part, dpi=150, format="png")
    finally:
        plt.close(figure)
    return path


def draw_panel(ax: Axes, groups: dict[Group, list[dict]], posterior: str, batch_size: int) -> None:
    """The curves of one batch size; a strategy has one colour in all panels."""
    stored = {group.strategy for group in groups}
    strategies = [name for name in ACQUISITIONS if name in stored] + sorted(stored - ACQUISITIONS.keys())
    for index, name in enumerate(strategies):
        if runs := groups.get(Group(name, batch_size, posterior)):
            title = find_strategy(name).title if name in ACQUISITIONS else name
            plotting.learning_curve(
                ax, *stack_runs(runs, "accuracy"), name=f"{title} ({plotting.count(runs)})", index=index
            )
    network = ", one network" * (posterior == "deterministic")
    ax.set_title(f"{batch_size} label{'s' * (batch_size > 1)} a round{network}")
    ax.legend(loc="lower right")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bal_utils.sweep",
        usage="python -m bal_utils.sweep [options]",
        description="Runs every strategy with every batch size and seed, and draws their learning curves. Each run keeps a\n"
        "record, written after every round: the same command continues a sweep that was interrupted or killed, and with more\n"
        "--labels it goes on where the runs had ended.",
        epilog=CLUSTER_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    runs = parser.add_argument_group("runs")
    runs.add_argument("--strategies", nargs="+", default=["random", "bald", "batchbald"], metavar="NAME",
                      help=f"any of: {', '.join(ACQUISITIONS)}")  # fmt: skip
    runs.add_argument("--batch-sizes", nargs="+", type=int, metavar="B",
                      help="labels asked for in a round (default: the protocol's own, 10 at both scales)")  # fmt: skip
    runs.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    base = runs.add_mutually_exclusive_group()
    base.add_argument("--protocol", choices=PROTOCOLS,
                      help="everything as in a published experiment, but for what other options change")  # fmt: skip
    base.add_argument("--scale", choices=SCALES, help="default: BAL_SCALE, else lecture")
    runs.add_argument(
        "--labels", type=int, help="stop at this many labels (default: the protocol's own, as for all below)"
    )
    runs.add_argument("--start", choices=("drawn", "published"),
                      help="first labels: drawn anew for each seed, or the twenty of Kirsch et al.")  # fmt: skip
    runs.add_argument("--num-samples", type=int, help="posterior samples behind a score")
    runs.add_argument("--candidates", type=int, help="score so many images of the pool, drawn anew in each round")
    runs.add_argument("--model", choices=MODELS, help="the network")
    runs.add_argument("--posterior", choices=POSTERIORS, help="what the scores average over")
    runs.add_argument("--validation-size", type=int, help="labelled images that decide when to stop training")
    runs.add_argument("--stop-on", choices=STOP_ON, help="what the validation images decide by, if anything")
    images = parser.add_argument_group("images")
    images.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    images.add_argument("--images", type=int, help="keep this many training images, drawn anew for each seed")
    images.add_argument("--copies", type=int, default=1, help="repeat each with noise of its own (Repeated MNIST)")
    where = parser.add_argument_group("where")
    where.add_argument("--out", default="runs", help="folder of the records; finished rounds found there are kept")
    where.add_argument("--device", help="default: a GPU if there is one")
    engine = where.add_mutually_exclusive_group()
    engine.add_argument("--jobs", type=int, default=1,
                        help="runs at a time, each in a process of its own; -1: one a core")  # fmt: skip
    engine.add_argument("--lanes", type=int, default=1,
                        help="runs at a time in one process, trained together: for a GPU")  # fmt: skip
    engine.add_argument("--scheduler", metavar="ADDRESS", help="run on the workers of this Dask scheduler (see below)")
    options = parser.parse_args(arguments)
    try:
        options.scale = scale(options.scale)
    except ValueError as error:
        parser.error(str(error))
    start = options.start or ("published" if options.protocol == "kirsch2019" else "drawn")
    if start == "published" and (options.images is not None or options.dataset != "mnist"):
        parser.error("--start published: expected the whole of MNIST, got --images or another --dataset")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    base = PROTOCOLS[options.protocol] if options.protocol else loop_config(options.scale)
    names = ("labels", "num_samples", "candidates", "model", "posterior", "validation_size")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.num_samples is not None:
        chosen["test_samples"] = options.num_samples
    if options.start is not None:
        chosen["start"] = KIRSCH_START if options.start == "published" else None
    if options.stop_on is not None:
        chosen["fit"] = replace(base.fit, stop_on=options.stop_on)
    images = ImageSet(name=options.dataset, images=options.images, copies=options.copies)
    runs = product(options.seeds, options.batch_sizes or [base.batch_size], options.strategies)
    where = {name: getattr(options, name) for name in ("device", "jobs", "scheduler", "lanes")}
    try:
        configs = [replace(base, strategy=s, batch_size=b, seed=seed, **chosen) for seed, b, s in runs]
        run_sweep(configs, options.out, images=images, **where)
        draw_or_say(options.out)
    except KeyboardInterrupt:
        print(f"sweep: interrupted with {progress_sentence(configs, options.out)}", file=sys.stderr)
        raise SystemExit(130) from None
    except RunsFailed as error:
        draw_or_say(options.out, failure=str(error))
    except (ChildProcessError, ConnectionError, torch.OutOfMemoryError) as error:
        raise SystemExit(f"sweep: {error}; {progress_sentence(configs, options.out)}") from error
    except (ValueError, OSError) as error:
        raise SystemExit(f"sweep: {error}") from error


def draw_or_say(out: str | Path, failure: str = "") -> None:
    """Draws the figure. Where that fails, or runs before it did, ends the command with a sentence; the records are kept."""
    sentences = [failure] if failure else []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            print(draw_learning_curves(out))
        except FileNotFoundError:  # no run has a finished round
            pass
        except (ValueError, OSError) as error:
            sentences.append(f"the records are kept, but there is no figure: {error}")
    for warning in said:
        print(f"sweep: {warning.message}", file=sys.stderr)
    if sentences:
        raise SystemExit(f"sweep: {'; '.join(sentences)}")


def end_as_interrupted(*_: object) -> None:
    """What SIGTERM does: the same as Ctrl-C, once, as some programs send it twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
