"""Everything that is claimed to be fast, against the packages that people use for it, and what a hand waits for.

    make bench                       all of it (about half an hour on two cores)
    make bench BENCH=--quick         about a minute, smaller pools, no targets for BatchBALD
    make bench BENCH="--only gpu"    training and scoring on a GPU; other runs leave it out where there is none
    make bench BENCH=--cpu-time      one thread, processor time: for a machine that is busy

Times are medians of runs in turn in one process. Ends with status 1 where outputs or choices disagree or memory is
above its limit; what is slower than its target is listed, for that depends on the machine.
"""

import argparse
import logging
import os
import sys
import time
import warnings

os.environ["TQDM_DISABLE"] = "1"  # read when the peers are imported

import batchbald_peers
import explorers
import gpu
import scoring_peers
import structlog
import torch
from measure import Table

PARTS = ("scoring", "memory", "batchbald", "large", "explorers", "gpu")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about a minute: smaller pools")
    parser.add_argument("--cpu-time", action="store_true", help="one thread, processor time: for a busy machine")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    if options.cpu_time:
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # saturation, which larger batches are meant to reach
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    table = Table(time.process_time if options.cpu_time else time.perf_counter)
    print("1 thread, processor time" if options.cpu_time else f"{torch.get_num_threads()} threads, time by the clock")
    if "scoring" in options.only:
        scoring_peers.compare_all(table, *((96, 3, 1) if options.quick else (512, 5, 3)))
    if "memory" in options.only:
        scoring_peers.memory(table, 600 if options.quick else 2_000)
    if "batchbald" in options.only:
        batchbald_peers.compare_all(table, options.quick)
    if "large" in options.only:
        batchbald_peers.large_pool(table, options.quick)
    if "explorers" in options.only:
        explorers.measure_all(table)
    if "gpu" in options.only and torch.cuda.is_available():
        gpu.measure_all(table, "cuda", 6_000 if options.quick else 60_000)
    print("\nbelow target: " + ("; ".join(table.below) or "none"))
    print("disagrees: " + ("; ".join(table.failures) or "nothing"))
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
