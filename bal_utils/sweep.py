"""Strategies × batch sizes × seeds, one record a run: `python -m bal_utils.sweep --help`."""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import joblib
import matplotlib.pyplot as plt

from bal_utils import plotting
from bal_utils.acquisition import ACQUISITIONS, find_strategy
from bal_utils.active_learning import MODELS, POSTERIORS, LoopConfig, loop_config, run_active_learning
from bal_utils.image_sets import ImageSet
from bal_utils.records import stack_runs
from bal_utils.replication import Group, load_groups
from bal_utils.runtime import SCALES, scale

ALL_OF_MNIST = ImageSet()


def run_name(config: LoopConfig) -> str:
    """The file name of a run's record, for example `bald_b10_seed0.json`."""
    posterior = "" if config.posterior == "mc_dropout" else f"{config.posterior}_"
    return f"{posterior}{config.strategy}_b{config.batch_size}_seed{config.seed}.json"


def run_sweep(
    configs: Sequence[LoopConfig],
    out: str | Path,
    *,
    images: ImageSet = ALL_OF_MNIST,
    device: str | None = None,
    jobs: int = 1,
) -> list[dict]:
    """Runs every configuration, each into its own record below `out`, and returns the records in that order.

    Runs found there are continued from their last round; finished ones are read. `jobs` runs go on at a time, each in a
    process of its own. Raises ValueError where two configurations would share a file.
    """
    paths = [Path(out) / run_name(config) for config in configs]
    if len(set(paths)) != len(paths):
        raise ValueError("configs: expected runs that differ in strategy, batch size or seed, got two of one name")

    def run(config: LoopConfig, path: Path) -> dict:
        return run_active_learning(config, images.load(config.seed), path=path, device=device)

    tasks = (joblib.delayed(run)(config, path) for config, path in zip(configs, paths, strict=True))
    return joblib.Parallel(n_jobs=jobs)(tasks)


def draw_learning_curves(out: str | Path) -> Path:
    """Draws accuracy against labels for all records below `out` into `learning_curve.png` there."""
    groups = load_groups(out)
    plotting.use_style()
    figure, ax = plt.subplots(figsize=(7, 4.5))
    for index, group in enumerate(sorted(groups, key=order_of)):
        runs = groups[group]
        seeds = f"{len(runs)} seed" + "s" * (len(runs) > 1)
        network = "one network, " if group.posterior == "deterministic" else ""
        name = f"{find_strategy(group.strategy).title}, {network}{group.batch_size} a round ({seeds})"
        plotting.learning_curve(ax, *stack_runs(runs, "accuracy"), name=name, index=index)
    ax.set_title(f"{runs[0]['data']['name']}: accuracy on the test set, median over seeds")
    ax.legend(loc="lower right")
    path = Path(out) / "learning_curve.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def order_of(group: Group) -> tuple[int, int, str]:
    """Groups in the order of the registry, so that a strategy keeps its colour from figure to figure."""
    return list(ACQUISITIONS).index(group.strategy), group.batch_size, group.posterior


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bal_utils.sweep", description=__doc__)
    parser.add_argument("--strategies", nargs="+", default=["random", "bald", "batchbald"], metavar="NAME",
                        help=f"any of: {', '.join(ACQUISITIONS)}")  # fmt: skip
    parser.add_argument(
        "--batch-sizes", nargs="+", type=int, default=[10], metavar="B", help="labels asked for in a round"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    parser.add_argument("--labels", type=int, help="stop at this many labels (default: the scale's own)")
    parser.add_argument("--num-samples", type=int, help="posterior samples behind a score (default: the scale's own)")
    parser.add_argument("--model", choices=MODELS, help="the network (default: kirsch_cnn)")
    parser.add_argument("--posterior", choices=POSTERIORS, help="default: mc_dropout")
    parser.add_argument("--validation-size", type=int, help="labelled images that decide when to stop training")
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--images", type=int, help="keep this many training images, drawn anew for each seed")
    parser.add_argument("--copies", type=int, default=1, help="repeat each with noise of its own (Repeated MNIST)")
    parser.add_argument("--scale", choices=SCALES, default=scale(), help="default: BAL_SCALE, else lecture")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--out", default="runs", help="folder of the records; finished rounds found there are kept")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    names = ("labels", "num_samples", "model", "posterior", "validation_size")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.num_samples is not None:
        chosen["test_samples"] = options.num_samples
    images = ImageSet(name=options.dataset, images=options.images, copies=options.copies)
    runs = product(options.seeds, options.batch_sizes, options.strategies)
    try:
        configs = [loop_config(options.scale, strategy=s, batch_size=b, seed=seed, **chosen) for seed, b, s in runs]
        run_sweep(configs, options.out, images=images, device=options.device, jobs=options.jobs)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"sweep: {error}") from error
    print(draw_learning_curves(options.out))


if __name__ == "__main__":
    main()
