"""BatchBALD here against batchbald_redux, baal and scikit-activeml: the same log-probabilities, one process, in turn.

A batch of ours agrees with a peer's if an independent sample finds in it no less information, up to 0.01 nats; with
batchbald_redux, which enumerates labels as we do while it can, the first choices are to be the same as well.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from baal.active.heuristics import BatchBALD
from batchbald_redux.batchbald import get_batchbald_batch
from measure import Table, dropout_pool, independent_information, peak_memory, race
from skactiveml.pool import batch_bald
from torch import Tensor

from bal_utils.batchbald import AcquiredBatch, batchbald_batch

CONFIGURATIONS = 10_000
TOLERANCE = 0.01  # nats
MOST_MEMORY = 1024  # MiB beyond the log-probabilities
NOISE = 1.15  # on a ratio of times


def redux(log_probs_N_K_C: Tensor, batch_size: int) -> list[int]:
    torch.manual_seed(0)
    return get_batchbald_batch(log_probs_N_K_C, batch_size, CONFIGURATIONS, dtype=torch.double).indices


def baal(log_probs_N_K_C: Tensor, batch_size: int) -> list[int]:
    """As many configurations for each choice as the others have. Joint scores grow, so that they tell the order."""
    torch.manual_seed(0)
    num_samples = log_probs_N_K_C.shape[1]
    heuristic = BatchBALD(num_samples=batch_size - 1, num_draw=CONFIGURATIONS // num_samples)
    scores_N = heuristic.compute_score(log_probs_N_K_C.exp().double().numpy().transpose(0, 2, 1))
    chosen = np.flatnonzero(scores_N)
    return chosen[np.argsort(scores_N[chosen])].tolist()


def activeml(log_probs_N_K_C: Tensor, batch_size: int) -> list[int]:
    probs_K_N_C = log_probs_N_K_C.exp().double().numpy().swapaxes(0, 1).copy()
    utilities_B_N = batch_bald(probs_K_N_C, batch_size, n_MC_samples=CONFIGURATIONS, random_state=0)
    return np.nanargmax(utilities_B_N, axis=1).tolist()


def compare(
    table: Table, peer: Callable, name: str, num_inputs: int, batch_size: int, target: float | None, rounds: int
) -> None:
    log_probs_N_K_C = dropout_pool(num_inputs)

    def here() -> AcquiredBatch:
        return batchbald_batch(log_probs_N_K_C, batch_size)

    here()
    run = race(table.clock, here, lambda: peer(log_probs_N_K_C, batch_size), rounds, peer_rounds=1)
    indices, peer_indices = run.result.indices, run.peer_result
    num_classes = log_probs_N_K_C.shape[2]
    exact = min(batch_size, 1 + int(math.log(CONFIGURATIONS, num_classes) + 1e-9))  # i choices have C^i configurations
    same = sum(a == b for a, b in zip(indices[:exact], peer_indices, strict=False))
    ours, theirs = (independent_information(log_probs_N_K_C[chosen]) for chosen in (indices, peer_indices))
    agrees = ours > theirs - TOLERANCE and (same == exact or peer is not redux)
    remark = f"{ours:.3f} nats against {theirs:.3f}; {same} of the {exact} exact choices the same"
    table.row(f"{name}, N={num_inputs:,}, b={batch_size}", run, target, agrees, remark)


def compare_all(table: Table, quick: bool) -> None:
    table.title(f"BatchBALD, K=100, C=10, {CONFIGURATIONS:,} configurations")
    few, rounds = (100, 3) if quick else (500, 5)
    for batch_size, num_inputs, target in (
        ((4, 1_000, None), (10, 200, None)) if quick else ((4, 10_000, 60), (10, 10_000, 200))
    ):
        compare(table, redux, "batchbald_redux", num_inputs, batch_size, target, rounds)
    for name, peer in (("baal", baal), ("scikit-activeml", activeml)):
        for batch_size in (4, 10):
            compare(table, peer, name, few, batch_size, None, rounds)


def large_pool(table: Table, quick: bool) -> None:
    """Time and memory for batches up to 100; the last half of a large batch is chosen long after saturation."""
    num_inputs = 6_000 if quick else 60_000
    print(f"\nBatchBALD without a peer, N={num_inputs:,}, K=100, C=10")
    log_probs_N_K_C = dropout_pool(num_inputs)
    seconds = {}
    for batch_size in (10, 25, 50, 100):
        with peak_memory() as extra:
            start = table.clock()
            batchbald_batch(log_probs_N_K_C, batch_size)
            seconds[batch_size] = table.clock() - start
        remark = f"{seconds[batch_size]:.2f} s, {extra():.0f} MiB extra"
        table.check(f"b={batch_size}", extra() < MOST_MEMORY, f"{remark} (limit {MOST_MEMORY})")
    growth = seconds[100] / seconds[50]
    table.check("b=100 against b=50", growth < 2 * NOISE, f"{growth:.2f} times as long (linear: 2)")
