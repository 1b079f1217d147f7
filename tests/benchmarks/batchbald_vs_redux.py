"""BatchBALD here against batchbald_redux: the same log-probabilities, one process, in turn.

    python tests/benchmarks/batchbald_vs_redux.py [--rounds 5] [--peer-runs 1] [--cpu-time] [--large]

Prints times, their ratio, and the joint information of both batches by one large independent sample. Ends with status 1
where the choices of the exact phase differ, or the batch holds less information than the peer's by more than 0.01 nats.
"""

import argparse
import math
import resource
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

import torch
from batchbald_redux.batchbald import get_batchbald_batch
from torch import Tensor

from bal_utils.batchbald import batchbald_batch
from bal_utils.runtime import stream

CONFIGURATIONS = 10_000
EXACT_CHOICES = 5  # with 10 classes: the fifth choice follows 10^4 configurations of four labels
TOLERANCE = 0.01  # nats


def dropout_pool(num_inputs: int, num_samples: int = 100, num_classes: int = 10, seed: int = 0) -> Tensor:
    """Log-probabilities of a random two-layer network under dropout, the same masks for every input.

    Inputs scatter around one prototype for each class, and the last layer reads the prototypes: most predictions are
    confident, some lie between classes. BALD scores run from 0.005 (first decile) over 0.2 (median) to 1.1 (highest),
    with a mean confidence of 0.87: much like a network trained on a few dozen images of MNIST.
    """
    generator = stream(seed, "dropout pool")
    prototypes_C_D = torch.randn(num_classes, 32, generator=generator)
    classes_N = torch.randint(num_classes, (num_inputs,), generator=generator)
    inputs_N_D = prototypes_C_D[classes_N] + torch.randn(num_inputs, 32, generator=generator)
    first_D_H = torch.randn(32, 128, generator=generator) / math.sqrt(32)
    read_C_H = (prototypes_C_D @ first_D_H).relu()
    read_C_H = 3 * torch.nn.functional.normalize(read_C_H - read_C_H.mean(dim=0), dim=1)
    hidden_N_H = (inputs_N_D @ first_D_H).relu()
    log_probs_N_K_C = torch.empty(num_inputs, num_samples, num_classes)
    for k in range(num_samples):
        mask_H = 2.0 * (torch.rand(128, generator=generator) < 0.5)
        log_probs_N_K_C[:, k] = ((hidden_N_H * mask_H) @ read_C_H.T).log_softmax(dim=-1)
    return log_probs_N_K_C


def independent_information(log_probs_B_K_C: Tensor, draws_per_sample: int = 2_000) -> float:
    """I[y_1, ..., y_B; w] by plain Monte Carlo: E_{w,ŷ} log p(ŷ | w) / p(ŷ), labels drawn from each sample in turn."""
    generator = stream(1, "independent information")
    log_probs_B_K_C = log_probs_B_K_C.double()
    num_samples = log_probs_B_K_C.shape[1]
    total = 0.0
    for k in range(num_samples):
        labels_B_D = torch.multinomial(
            log_probs_B_K_C[:, k].exp(), draws_per_sample, replacement=True, generator=generator
        )
        log_likelihoods_D_K = sum(
            log_probs_K_C[:, labels_D].T for log_probs_K_C, labels_D in zip(log_probs_B_K_C, labels_B_D, strict=True)
        )
        log_means_D = log_likelihoods_D_K.logsumexp(dim=1) - math.log(num_samples)
        total += (log_likelihoods_D_K[:, k] - log_means_D).mean().item()
    return total / num_samples


def timed(clock: Callable[[], float], function: Callable, *arguments) -> tuple[float, object]:
    start = clock()
    result = function(*arguments)
    return clock() - start, result


def redux(log_probs_N_K_C: Tensor, batch_size: int) -> object:
    torch.manual_seed(0)
    return get_batchbald_batch(log_probs_N_K_C, batch_size, CONFIGURATIONS, dtype=torch.double)


def compare(clock: Callable, log_probs_N_K_C: Tensor, batch_size: int, rounds: int, peer_runs: int) -> bool:
    """Prints one row of the table; whether the batches agree."""
    times, peer_times = [], []
    for turn in range(max(rounds, peer_runs)):
        if turn < rounds:
            seconds, batch = timed(clock, batchbald_batch, log_probs_N_K_C, batch_size)
            times.append(seconds)
        if turn < peer_runs:
            seconds, peer_batch = timed(clock, redux, log_probs_N_K_C, batch_size)
            peer_times.append(seconds)
    exact = min(batch_size, EXACT_CHOICES)
    same = batch.indices[:exact] == peer_batch.indices[:exact]
    information = independent_information(log_probs_N_K_C[batch.indices])
    peer_information = independent_information(log_probs_N_K_C[peer_batch.indices])
    print(
        f"{batch_size:>3} {median(times):>9.2f} {median(peer_times):>9.1f} {median(peer_times) / median(times):>7.0f}x "
        f"{information:>9.4f} {peer_information:>9.4f}   {exact} first choices {'the same' if same else 'DIFFER'}",
        flush=True,
    )
    return same and information > peer_information - TOLERANCE


def large_pool(clock: Callable) -> None:
    """Prints time and extra memory for 60,000 inputs, batch sizes up to 100."""
    log_probs_N_K_C = dropout_pool(60_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("\n60,000 inputs, 100 samples, 10 classes\n  b   seconds   extra peak memory, MiB")
    for batch_size in (10, 25, 50, 100):
        seconds, _ = timed(clock, batchbald_batch, log_probs_N_K_C, batch_size)
        extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{batch_size:>3} {seconds:>9.1f} {extra:>9.0f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of bal_utils; the median counts")
    parser.add_argument("--peer-runs", type=int, default=1, help="runs of batchbald_redux (minutes each)")
    parser.add_argument(
        "--cpu-time", action="store_true", help="one thread, processor time: for a machine that is busy"
    )
    parser.add_argument("--large", action="store_true", help="only 60,000 inputs, without the peer")
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    if options.cpu_time:
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # saturation, which larger batches are meant to reach
    if options.large:
        large_pool(clock)
        return 0
    log_probs_N_K_C = dropout_pool(10_000)
    batchbald_batch(log_probs_N_K_C[:1000], 2)
    thread = "1 thread, processor time" if options.cpu_time else f"{torch.get_num_threads()} threads"
    print(f"10,000 inputs, 100 samples, 10 classes, {CONFIGURATIONS} configurations, {thread}")
    print("  b      here     redux    ratio      here     redux   (seconds; joint information in nats)", flush=True)
    agree = [compare(clock, log_probs_N_K_C, size, options.rounds, options.peer_runs) for size in (4, 10)]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
