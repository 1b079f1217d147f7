"""BatchBALD: the batch whose labels, taken together, say most about the weights (Kirsch et al. 2019, arXiv:1906.08158).

Choosing greedily asks one question again and again: *after seeing the labels of the batch so far, how uncertain would I
still be about x, that the weights could settle?* The labels are not known, so every way they could turn out, a
configuration, is weighed by its probability.

Dimensions: N inputs, K posterior samples, C classes, B batch, M configurations, J their children; n, a chunk of N.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bal_utils.information import check_log_probs, entropy
from bal_utils.runtime import stream

CHUNK_ELEMENTS = 2**20  # predictions held at once: 4 MiB in float32, so that a chunk stays in the processor's cache
ENUMERABLE_WEIGHTS = 2**25  # posterior weights that exact enumeration may hold: 256 MiB in float64
SCREENING_CONFIGURATIONS = 1_000
SHORTLIST = 128
ROUNDING = 1e-5  # nats; float32 gains of ten classes are off by about 1e-6
TIE = 1e-10  # nats; float64 gains closer than this are equal


@dataclass(frozen=True)
class AcquiredBatch:
    """The chosen inputs, in the order of choice, and after each choice its score (BatchBALD: joint information, nats)."""

    indices: list[int]
    scores: list[float]


@dataclass(frozen=True)
class Configurations:
    """Ways the batch's labels could turn out: their probabilities and, for each, the posterior over the K samples."""

    probs_M: Tensor
    weights_M_K: Tensor

    @staticmethod
    def of_empty_batch(num_samples: int, device: torch.device) -> "Configurations":
        """The one configuration of no labels: every posterior sample weighs 1/K."""
        weights_M_K = torch.full((1, num_samples), 1 / num_samples, dtype=torch.float64, device=device)
        return Configurations(torch.ones_like(weights_M_K[:, 0]), weights_M_K)

    def information(self) -> float:
        """I[y_S; w] = log K - E_ŷ H[w | ŷ]: the doubt about which sample is right, before the labels and after."""
        left_M = torch.special.entr(self.weights_M_K).sum(dim=1)
        num_samples = self.weights_M_K.shape[1]
        return min(max(math.log(num_samples) - (self.probs_M @ left_M).item(), 0.0), math.log(num_samples))

    def observe(self, log_probs_K_C: Tensor, limit: int, generator: Generator | None = None) -> "Configurations":
        """Adds one input's label: each configuration has a child for each class; at most about `limit` are kept."""
        probs_K_C = log_probs_K_C.double().exp()
        probs_J = (self.probs_M[:, None] * (self.weights_M_K @ probs_K_C)).flatten()
        kept_m, probs_m = thin(probs_J, limit, generator)
        parents_m, labels_m = kept_m // probs_K_C.shape[1], kept_m % probs_K_C.shape[1]
        weights_m_K = self.weights_M_K[parents_m] * probs_K_C.T[labels_m]
        return Configurations(probs_m, weights_m_K / weights_m_K.sum(dim=1, keepdim=True))

    def thinned(self, limit: int, generator: Generator) -> "Configurations":
        """Fewer configurations that stand for all of them."""
        kept_m, probs_m = thin(self.probs_M, limit, generator)
        return Configurations(probs_m, self.weights_M_K[kept_m])


def thin(probs_J: Tensor, limit: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Keeps the heavy, resamples the light: positions and new probabilities (Fearnhead & Clifford 2003).

    Those above a threshold t stay as they are. One below is kept with chance p/t, and then weighs t: no expectation
    moves. One uniform number, stepped through the rest in order, spreads the survivors evenly over similar ones.
    Where no more than `limit` have any probability, all of those are kept.
    """
    possible_j = probs_J.nonzero().flatten()
    probs_j = probs_J[possible_j]
    if len(possible_j) <= limit:
        return possible_j, probs_j
    heaviest_j = probs_j.sort(descending=True).values
    tails_j = heaviest_j.flip(0).cumsum(0).flip(0)
    room_j = limit - torch.arange(len(probs_j), device=probs_j.device)
    num_heavy = (heaviest_j * room_j >= tails_j).sum()
    threshold = tails_j[num_heavy] / (limit - num_heavy)
    offset = torch.rand((), generator=generator, dtype=torch.float64).to(probs_j.device)
    steps_j = ((probs_j / threshold).clamp_max(1).cumsum(0) + offset).floor()
    kept_m = steps_j.diff(prepend=steps_j.new_zeros(1)).nonzero().flatten()
    return possible_j[kept_m], probs_j[kept_m].clamp_min(threshold)


def joint_mutual_information(log_probs_B_K_C: Tensor) -> float:
    """I[y_1, ..., y_B; w], exact: every configuration of the labels is enumerated.

    Σ_ŷ p(ŷ) (log K - H[w | ŷ]) with p(ŷ) = E_w Π_b p(ŷ_b|x_b,w)            (arXiv:1906.08158, eq. 8)

    Returns nats in [0, min(B log C, log K)]. Raises ValueError where rows are not normalised log-probabilities, or the
    C^B configurations of K weights each do not fit in memory.
    """
    check_log_probs(log_probs_B_K_C, "log_probs_B_K_C")
    batch_size, num_samples, num_classes = log_probs_B_K_C.shape
    if num_classes**batch_size * num_samples > ENUMERABLE_WEIGHTS:
        raise ValueError(
            f"log_probs_B_K_C: expected at most {ENUMERABLE_WEIGHTS // num_samples} configurations to enumerate, "
            f"got {num_classes} classes ^ {batch_size} inputs"
        )
    configurations = Configurations.of_empty_batch(num_samples, log_probs_B_K_C.device)
    for log_probs_K_C in log_probs_B_K_C:
        configurations = configurations.observe(log_probs_K_C, limit=num_classes**batch_size)
    return configurations.information()


def information_gains(
    configurations: Configurations, log_probs_N_K_C: Tensor, entropies_N_K: Tensor, candidates_n: Tensor, dtype=torch.float32
) -> Tensor:
    """I[y_x; w | y_S] = Σ_ŷ p(ŷ) (H[y_x | ŷ] - E_{w|ŷ} H[y_x | w]) for each candidate x, in nats."""
    probs_M = configurations.probs_M.to(dtype)
    weights_M_K = configurations.weights_M_K.to(dtype)
    num_samples, num_classes = log_probs_N_K_C.shape[1:]
    chunk = max(1, CHUNK_ELEMENTS // (num_classes * max(len(probs_M), num_samples)))
    gains = []
    for chunk_n in candidates_n.split(chunk):
        probs_K_nC = log_probs_N_K_C[chunk_n].to(dtype).exp_().transpose(0, 1).reshape(num_samples, -1)
        predictive_M_nC = (weights_M_K @ probs_K_nC).clamp_min_(torch.finfo(dtype).tiny)
        nats_nC = probs_M @ predictive_M_nC.log().mul_(predictive_M_nC)
        gains.append(-nats_nC.view(-1, num_classes).sum(dim=1))
    expected_n = entropies_N_K[candidates_n].to(dtype) @ (probs_M @ weights_M_K)
    return torch.cat(gains) - expected_n


def batchbald_batch(log_probs_N_K_C, batch_size, *, max_configurations=10_000, generator=None):
    check_log_probs(log_probs_N_K_C)
    N, K, C = log_probs_N_K_C.shape
    device = log_probs_N_K_C.device
    generator = generator or stream(0, "batchbald")
    T = TIMES
    import time
    t0 = time.perf_counter()
    entropies_N_K = torch.cat([entropy(c) for c in log_probs_N_K_C.split(max(1, CHUNK_ELEMENTS // (K * C)))])
    T['ent'] = time.perf_counter() - t0
    chooser = reporter = Configurations.of_empty_batch(K, device)
    bounds_N = torch.full((N,), math.inf, device=device)
    slack = ROUNDING
    indices, scores = [], []
    LOG.clear()
    for i in range(batch_size):
        t0 = time.perf_counter()
        exact = len(chooser.probs_M) < C ** i or C**i > max_configurations
        exact = C**i <= max_configurations
        screen = chooser if exact else chooser.thinned(SCREENING_CONFIGURATIONS, generator)
        best, ev = -math.inf, 0
        size = max(32, CHUNK_ELEMENTS // (C * max(len(screen.probs_M), K)))
        t1 = time.perf_counter()
        for chunk_n in bounds_N.argsort(descending=True, stable=True).split(size):
            if bounds_N[chunk_n[0]] < best - slack:
                break
            g = information_gains(screen, log_probs_N_K_C, entropies_N_K, chunk_n)
            bounds_N[chunk_n] = torch.where(bounds_N[chunk_n] == -math.inf, -math.inf, g)
            best = max(best, bounds_N[chunk_n].max().item())
            ev += len(chunk_n)
        t2 = time.perf_counter()
        short = bounds_N.topk(min(SHORTLIST, N)).indices
        if exact:
            short = short[bounds_N[short] >= best - 2*ROUNDING]
        short = short.sort().values
        short = short[bounds_N[short] > -math.inf]
        conf = information_gains(chooser, log_probs_N_K_C, entropies_N_K, short, torch.float64 if exact else CONF)
        sd = (conf - bounds_N[short]).abs()
        slack = max(ROUNDING, sd.max().item()) if not exact else ROUNDING
        if exact: bounds_N[short] = conf.float()
        pick = short[(conf >= conf.max() - TIE).nonzero()[0, 0]]
        bounds_N[pick] = -math.inf
        t3 = time.perf_counter()
        indices.append(pick.item())
        row = log_probs_N_K_C[pick]
        chooser2 = chooser.observe(row, max_configurations, generator)
        reporter = chooser2 if C**(i+1) <= max_configurations else reporter.observe(row, max_configurations, generator)
        chooser = chooser2
        scores.append(reporter.information())
        t4 = time.perf_counter()
        LOG.append(dict(i=i, exact=exact, ev=ev, short=len(short), M=len(chooser.probs_M), prep=t1-t0, lazy=t2-t1, conf=t3-t2, obs=t4-t3, gain=conf.max().item(), slack=sd.max().item(), sds=sd.std().item() if len(sd)>1 else 0, mi=chooser.information(), rep=scores[-1]))
    return AcquiredBatch(indices, scores)
CONF=torch.float32
TIMES={}; LOG=[]
