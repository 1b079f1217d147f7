"""What every benchmark needs: a pool of predictions, an independent judge of a batch, clocks, memory, and one table."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import psutil
import torch
from torch import Tensor

from bal_utils.runtime import stream

MEBIBYTE = 2**20


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


@dataclass(frozen=True)
class Race:
    """Medians of two functions run in turn, in seconds, and what each returned last."""

    here: float
    peer: float
    result: object
    peer_result: object


def race(clock: Callable[[], float], here: Callable, peer: Callable, rounds: int, peer_rounds: int) -> Race:
    times: dict[Callable, list[float]] = {here: [], peer: []}
    results = {}
    for turn in range(max(rounds, peer_rounds)):
        for function, wanted in ((here, rounds), (peer, peer_rounds)):
            if turn < wanted:
                start = clock()
                results[function] = function()
                times[function].append(clock() - start)
    return Race(median(times[here]), median(times[peer]), results[here], results[peer])


@contextmanager
def peak_memory():
    """Yields a function that tells, afterwards, how many MiB the process held at most beyond what it held before."""
    process, finished, peaks = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not finished.wait(0.002):
            peaks[0] = max(peaks[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peaks[0] / MEBIBYTE
    finally:
        finished.set()
        watcher.join()


@dataclass
class Table:
    """Rows of ratios, printed as they come; remembers what disagreed and what missed its target."""

    clock: Callable[[], float] = time.perf_counter
    failures: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)

    def title(self, text: str) -> None:
        print(f"\n{text}\n{'':36} {'here, s':>9} {'peer, s':>9} {'ratio':>7}  target", flush=True)

    def row(self, name: str, run: Race, target: float | None, agrees: bool, remark: str) -> None:
        ratio = run.peer / run.here
        if not agrees:
            self.failures.append(name)
        if target is not None and ratio < target:
            self.below.append(f"{name}: {ratio:.0f}x, target {target:g}x")
        wanted = "" if target is None else f">= {target:g}x"
        print(f"{name:36} {run.here:>9.3f} {run.peer:>9.2f} {ratio:>6.0f}x  {wanted:7} {remark}", flush=True)

    def answer(self, name: str, seconds: float, target: float) -> None:
        """The time of an answer that someone waits for."""
        if seconds > target:
            self.below.append(f"{name}: {1000 * seconds:.0f} ms, target {1000 * target:.0f}")
        print(f"{name:36} {1000 * seconds:>6.1f} ms   target: <= {1000 * target:.0f} ms", flush=True)

    def check(self, name: str, holds: bool, remark: str) -> None:
        if not holds:
            self.failures.append(name)
        print(f"{name:36} {remark}{'' if holds else '   NOT MET'}", flush=True)
