"""The command: `python -m bal_utils.sweep --help`."""

import argparse
import math
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes

from bal_utils import plotting
from bal_utils.acquisition import ACQUISITIONS, find_strategy
from bal_utils.active_learning import (
    KIRSCH_START,
    MODELS,
    POSTERIORS,
    PROTOCOLS,
    LoopConfig,
    is_finished,
    loop_config,
)
from bal_utils.data.images import ImageSet
from bal_utils.records import replaced, stack_runs
from bal_utils.runtime import SCALES, scale
from bal_utils.sweep import RunsFailed, run_paths, run_sweep
from bal_utils.sweep.replication import Group, load_groups
from bal_utils.sweep.runs import usable_record
from bal_utils.training.fit import STOP_ON

DESCRIPTION = """\
Runs every strategy with every batch size and seed, and draws their learning curves. Each run keeps a
record, written after every round: the same command continues a sweep that was interrupted or killed, and with more
--labels it goes on where the runs had ended."""
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; ends it with a sentence (SystemExit) where something is wrong or it is interrupted."""
    options = _parse(arguments)
    try:
        configs = _configs(options)
        run_sweep(
            configs,
            options.out,
            images=ImageSet(name=options.dataset, images=options.images, copies=options.copies),
            device=options.device,
            jobs=options.jobs,
            scheduler=options.scheduler,
            lanes=options.lanes,
        )
        _draw_or_say(options.out)
    except KeyboardInterrupt:
        print(f"sweep: interrupted with {_progress_sentence(configs, options.out)}", file=sys.stderr)
        raise SystemExit(130) from None
    except RunsFailed as error:
        _draw_or_say(options.out, failure=str(error))
    except (ChildProcessError, ConnectionError, torch.OutOfMemoryError) as error:
        raise SystemExit(f"sweep: {error}; {_progress_sentence(configs, options.out)}") from error
    except (ValueError, OSError) as error:
        raise SystemExit(f"sweep: {error}") from error


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bal_utils.sweep",
        usage="python -m bal_utils.sweep [options]",
        description=DESCRIPTION,
        epilog=CLUSTER_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_runs(parser)
    _add_images(parser)
    _add_where(parser)
    options = parser.parse_args(arguments)
    try:
        options.scale = scale(options.scale)
    except ValueError as error:
        parser.error(str(error))
    own_start = options.protocol is not None and PROTOCOLS[options.protocol].start is not None
    published = options.start == "published" or (options.start is None and own_start)
    if published and (options.images is not None or options.dataset != "mnist"):
        parser.error("--start published: expected the whole of MNIST, got --images or another --dataset")
    return options


def _add_runs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("runs")
    strategies = f"any of: {', '.join(ACQUISITIONS)}"
    batch_sizes = "labels asked for in a round (default: the protocol's own, 10 at both scales)"
    protocol = "everything as in a published experiment, but for what other options change"
    labels = "stop at this many labels (default: the protocol's own, as for all below)"
    start = "first labels: drawn anew for each seed, or the twenty of Kirsch et al."
    usual = ["random", "bald", "batchbald"]

    group.add_argument("--strategies", nargs="+", default=usual, metavar="NAME", help=strategies)
    group.add_argument("--batch-sizes", nargs="+", type=int, metavar="B", help=batch_sizes)
    group.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    base = group.add_mutually_exclusive_group()
    base.add_argument("--protocol", choices=PROTOCOLS, help=protocol)
    base.add_argument("--scale", choices=SCALES, help="default: BAL_SCALE, else lecture")
    group.add_argument("--labels", type=int, help=labels)
    group.add_argument("--start", choices=("drawn", "published"), help=start)
    group.add_argument("--num-samples", type=int, help="posterior samples behind a score")
    group.add_argument("--candidates", type=int, help="score so many images of the pool, drawn anew in each round")
    group.add_argument("--model", choices=MODELS, help="the network")
    group.add_argument("--posterior", choices=POSTERIORS, help="what the scores average over")
    group.add_argument("--validation-size", type=int, help="labelled images that decide when to stop training")
    group.add_argument("--stop-on", choices=STOP_ON, help="what the validation images decide by, if anything")
    group.add_argument(
        "--precision", choices=("bfloat16",), help="of products; by default that of the weights, float32"
    )


def _add_images(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    group.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    group.add_argument("--images", type=int, help="keep this many training images, drawn anew for each seed")
    group.add_argument("--copies", type=int, default=1, help="repeat each with noise of its own (Repeated MNIST)")


def _add_where(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where")
    jobs = "runs at a time, each in a process of its own; -1: one a core"
    lanes = "runs at a time in one process, trained together: for a GPU"
    scheduler = "run on the workers of this Dask scheduler (see below)"

    group.add_argument("--out", default="runs", help="folder of the records; finished rounds found there are kept")
    group.add_argument("--device", help="default: a GPU if there is one")
    engine = group.add_mutually_exclusive_group()
    engine.add_argument("--jobs", type=int, default=1, help=jobs)
    engine.add_argument("--lanes", type=int, default=1, help=lanes)
    engine.add_argument("--scheduler", metavar="ADDRESS", help=scheduler)


def _configs(options: argparse.Namespace) -> list[LoopConfig]:
    """A configuration a run: the protocol or scale, and what other options change."""
    base = PROTOCOLS[options.protocol] if options.protocol else loop_config(options.scale)
    names = ("labels", "num_samples", "candidates", "model", "posterior", "validation_size")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.num_samples is not None:
        changes["test_samples"] = options.num_samples
    if options.start is not None:
        changes["start"] = KIRSCH_START if options.start == "published" else None
    fit = {name: getattr(options, name) for name in ("stop_on", "precision") if getattr(options, name) is not None}
    changes["fit"] = replace(base.fit, **fit)
    runs = product(options.seeds, options.batch_sizes or [base.batch_size], options.strategies)
    return [
        replace(base, strategy=strategy, batch_size=batch_size, seed=seed, **changes)
        for seed, batch_size, strategy in runs
    ]


def _progress_sentence(configs: Sequence[LoopConfig], out: str | Path) -> str:
    """How far a sweep has come, from its records."""
    records = [(usable_record(path), config) for path, config in zip(run_paths(configs, out), configs, strict=True)]
    ended = [is_finished(record, config) for record, config in records if record is not None]
    finished, begun = sum(ended), len(ended) - sum(ended)
    return (
        f"{finished} of {len(configs)} runs finished, {begun} begun; every finished round is kept in {out}, "
        "and the same command continues"
    )


def _draw_or_say(out: str | Path, failure: str = "") -> None:
    """Draws the figure. Where that fails, or runs before it did, ends the command with a sentence; the records are kept."""
    sentences = [failure] if failure else []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            print(draw_learning_curves(out))
        except FileNotFoundError:  # no run has a finished round
            pass
        except (ValueError, OSError) as error:
            sentences.append(f"the records are kept, but there is no figure: {error}")
    for warning in caught:
        print(f"sweep: {warning.message}", file=sys.stderr)
    if sentences:
        raise SystemExit(f"sweep: {'; '.join(sentences)}")


def draw_learning_curves(out: str | Path) -> Path:
    """Draws accuracy against labels for all records below `out` into `learning_curve.png` there, a panel a batch size."""
    groups = load_groups(out)
    panels = sorted({(group.batch_size, group.posterior) for group in groups})
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    size = (7, 4.5) if columns == 1 else (6 * columns, 4 * rows)
    path = Path(out) / "learning_curve.png"
    plotting.use_style()
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    try:
        for ax, (batch_size, posterior) in zip(axes.flat, panels, strict=False):
            _draw_panel(ax, groups, batch_size, posterior)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        data = next(iter(groups.values()))[0]["data"]["name"]
        figure.suptitle(f"{data}: accuracy on the test set, median over seeds", x=0.01, ha="left")
        with replaced(path) as part:
            figure.savefig(part, dpi=150, format="png")
    finally:
        plt.close(figure)
    return path


def _draw_panel(ax: Axes, groups: dict[Group, list[dict]], batch_size: int, posterior: str) -> None:
    """The curves of one batch size, named at their ends; a strategy has one colour in all panels."""
    stored = {group.strategy for group in groups}
    strategies = [name for name in ACQUISITIONS if name in stored] + sorted(stored - ACQUISITIONS.keys())
    looks = plotting.looks_of(strategies)
    for strategy in strategies:
        if runs := groups.get(Group(strategy, batch_size, posterior)):
            title = find_strategy(strategy).title if strategy in ACQUISITIONS else strategy
            name = f"{title} ({plotting.seeds_in_words(runs)})"
            plotting.learning_curve(ax, *stack_runs(runs, "accuracy"), name=name, look=looks[strategy])
    labels = "1 label" if batch_size == 1 else f"{batch_size} labels"
    remark = Group("", batch_size, posterior).remark
    plotting.label_ends(ax).set_title(f"{labels} a round{remark}")


def _end_as_interrupted(*_: object) -> None:
    """What SIGTERM does: the same as Ctrl-C, once, as some programs send it twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_as_interrupted)
    main()
