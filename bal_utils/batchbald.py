"""BatchBALD: the inputs whose labels, taken together, say most about the weights (Kirsch et al. 2019, arXiv:1906.08158).

Greedy choice asks one question again and again: *after seeing the labels of the batch so far, how much would the label
of x still say about the weights?* The labels are not known, so every way they could turn out, a configuration, counts
with its probability. Three facts make the answer cheap:

- Gains only shrink as the batch grows, so a gain computed earlier is an upper bound now.
- Mutual information is concave in the distribution of the weights, so merging configurations gives an upper bound too.
- Configurations too many to enumerate can be thinned at random without moving any expectation.

Dimensions: N inputs, K posterior samples, C classes, B batch, M configurations, J their children; n, a few of N.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bal_utils.checks import check_whole
from bal_utils.runtime import stream
from bal_utils.theory.information import check_log_probs, in_parts

CPU_CHUNK_BYTES, ACCELERATOR_CHUNK_BYTES = 2**21, 2**28  # probabilities at once: they stay in a cache, or fill a GPU
ENUMERABLE_WEIGHTS = 2**25  # posterior weights that exact enumeration may hold: 256 MiB in float64
ROUNDING = 3e-5  # nats; a gain in float32 is off by less than 1e-5, over 100 classes too


@dataclass(frozen=True)
class AcquiredBatch:
    """The chosen inputs, first choice first, and a score for each (BatchBALD: joint information so far, in nats)."""

    indices: list[int]
    scores: list[float]


@dataclass(frozen=True)
class Configurations:
    """Ways the labels of a batch could turn out: how probable each is, and the posterior over K samples it leads to."""

    probs_M: Tensor
    weights_M_K: Tensor

    @staticmethod
    def before_any_label(num_samples: int, device: torch.device) -> "Configurations":
        """One configuration, of no labels, in which every posterior sample weighs 1/K."""
        weights_M_K = torch.full((1, num_samples), 1 / num_samples, dtype=torch.float64, device=device)
        return Configurations(weights_M_K.sum(dim=1), weights_M_K)

    def to(self, dtype: torch.dtype) -> "Configurations":
        return Configurations(self.probs_M.to(dtype), self.weights_M_K.to(dtype))

    def observe(self, log_probs_K_C: Tensor, limit: int, generator: Generator | None = None) -> "Configurations":
        """Add the label of one input: a child for every configuration and class, thinned to `limit`."""
        probs_K_C = log_probs_K_C.double().softmax(dim=1)  # float32 rows sum to 1 only to 1e-7
        children_J = (self.probs_M[:, None] * (self.weights_M_K @ probs_K_C)).flatten()
        kept_m, probs_m = thin(children_J, limit, generator)

        parents_m, labels_m = kept_m // probs_K_C.shape[1], kept_m % probs_K_C.shape[1]
        weights_m_K = self.weights_M_K[parents_m].mul_(probs_K_C.T[labels_m])
        return Configurations(probs_m, weights_m_K.div_(weights_m_K.sum(dim=1, keepdim=True)))

    def merged(self, depth: int) -> "Configurations":
        """Merge those that find the same `depth` samples likeliest: every gain rises, but little, for they are alike."""
        num_samples = self.weights_M_K.shape[1]
        leaders_M = torch.zeros_like(self.probs_M, dtype=torch.long)
        for leader_M in self.weights_M_K.topk(min(depth, num_samples), dim=1).indices.unbind(dim=1):
            leaders_M = leaders_M * num_samples + leader_M

        groups, group_M = leaders_M.unique(return_inverse=True)
        joint_M_K = self.probs_M[:, None] * self.weights_M_K
        joint_G_K = joint_M_K.new_zeros(len(groups), num_samples).index_add_(0, group_M, joint_M_K)
        probs_G = joint_G_K.sum(dim=1)
        return Configurations(probs_G, joint_G_K / probs_G[:, None])

    def information(self) -> float:
        """I[y_1, ..., y_B; w] = log K - E_ŷ H[w | ŷ]: doubt about the samples before the labels, less doubt after."""
        doubt_before = math.log(self.weights_M_K.shape[1])
        doubt_after = (self.probs_M @ torch.special.entr(self.weights_M_K).sum(dim=1)).item()
        return min(max(doubt_before - doubt_after, 0.0), doubt_before)

    def gains(self, log_probs_n_K_C: Tensor, dtype: torch.dtype) -> Tensor:
        """I[y_x; w | y_1, ..., y_B] = Σ_ŷ p(ŷ) (H[y_x | ŷ] - E_{w|ŷ} H[y_x | w]) of each candidate x, in nats."""
        _, num_samples, num_classes = log_probs_n_K_C.shape
        log_probs_n_K_C, configurations = log_probs_n_K_C.to(dtype), self.to(dtype)
        probs_M, weights_M_K = configurations.probs_M, configurations.weights_M_K
        finite = torch.finfo(dtype)  # keeps 0 log 0 at zero

        probs_n_K_C = log_probs_n_K_C.exp()
        predicted_M_nC = weights_M_K @ probs_n_K_C.transpose(0, 1).reshape(num_samples, -1)
        nats_nC = probs_M @ predicted_M_nC.clamp_min_(finite.tiny).log().mul_(predicted_M_nC)

        certainties_n_KC = probs_n_K_C.mul_(log_probs_n_K_C.clamp_min(finite.min)).flatten(1)
        weights_KC = (probs_M @ weights_M_K).repeat_interleave(num_classes)
        return certainties_n_KC @ weights_KC - nats_nC.view(-1, num_classes).sum(dim=1)


def thin(probs_J: Tensor, limit: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Keep the heavy, resample the light: positions to keep and their new probabilities (Fearnhead & Clifford 2003).

    Above a threshold t a probability stays as it is. One below is kept with chance p/t and then counts t, so that no
    expectation moves. Where `limit` or fewer are possible at all, all of those are kept.
    """
    possible_j = probs_J.nonzero().flatten()
    probs_j = probs_J[possible_j]
    if len(possible_j) <= limit:
        return possible_j, probs_j

    threshold = _threshold(probs_j, limit)
    # Neighbours have labels in common: one random offset and equal steps spread the survivors evenly over them.
    offset = torch.rand((), generator=generator, dtype=torch.float64).to(probs_j.device)
    steps_j = ((probs_j / threshold).clamp_max(1).cumsum(0) + offset).floor()
    kept_m = steps_j.diff(prepend=steps_j.new_zeros(1)).nonzero().flatten()
    return possible_j[kept_m], probs_j[kept_m].clamp_min(threshold)


def _threshold(probs_j: Tensor, limit: int) -> Tensor:
    """The t at which Σ min(p / t, 1) = `limit`: as many are kept as may be."""
    num_heavy, threshold = -1, probs_j.sum() / limit
    while True:
        heavy_j = probs_j > threshold
        found = int(heavy_j.sum())
        if found <= num_heavy:
            return threshold
        num_heavy = found
        threshold = probs_j.masked_fill(heavy_j, 0).sum() / (limit - num_heavy)  # smaller, for the light share the rest


def joint_mutual_information(log_probs_B_K_C: Tensor) -> float:
    """I[y_1, ..., y_B; w] of a small batch, exact: every configuration of its labels is enumerated.

    Σ_ŷ p(ŷ) (log K - H[w | ŷ]) with p(ŷ) = E_w Π_b p(ŷ_b | x_b, w)            (arXiv:1906.08158, section 3)

    Returns nats in [0, min(B log C, log K)]. Raises ValueError where rows are not normalised log-probabilities, or
    where C^B configurations are too many.
    """
    check_log_probs(log_probs_B_K_C, "log_probs_B_K_C")
    batch_size, num_samples, num_classes = log_probs_B_K_C.shape
    if num_classes**batch_size * num_samples > ENUMERABLE_WEIGHTS:
        raise ValueError(
            f"log_probs_B_K_C: expected at most {ENUMERABLE_WEIGHTS // num_samples} configurations to enumerate, got "
            f"{num_classes} classes for each of {batch_size} inputs (estimate_joint_mutual_information takes more)"
        )
    return estimate_joint_mutual_information(log_probs_B_K_C, max_configurations=num_classes**batch_size)


def estimate_joint_mutual_information(
    log_probs_B_K_C: Tensor, *, max_configurations: int = 10_000, generator: Generator | None = None
) -> float:
    """I[y_1, ..., y_B; w] of a batch of any size, from at most `max_configurations` of its labels.

    Exact while C^B is no more than that, else unbiased. `generator` None means one fixed stream.
    Returns nats in [0, log K]. Raises ValueError where rows are not normalised log-probabilities, or for too few
    configurations.
    """
    check_log_probs(log_probs_B_K_C, "log_probs_B_K_C")
    max_configurations = check_whole("max_configurations", max_configurations, at_least=log_probs_B_K_C.shape[2])
    generator = generator or stream(0, "joint mutual information")
    configurations = Configurations.before_any_label(log_probs_B_K_C.shape[1], log_probs_B_K_C.device)
    for log_probs_K_C in log_probs_B_K_C.detach():
        configurations = configurations.observe(log_probs_K_C, max_configurations, generator)
    return configurations.information()


def batchbald_batch(
    log_probs_N_K_C: Tensor, batch_size: int, *, max_configurations: int = 10_000, generator: Generator | None = None
) -> AcquiredBatch:
    """The batch that greedily maximises I[y_1, ..., y_B; w] (arXiv:1906.08158, algorithm 1).

    Exact while C^i configurations of i labels fit in `max_configurations`, sampled after that. The scores are the joint
    information after each choice, in nats, from configurations that had no part in the choice; they never fall, nor
    exceed log K. Where what is left below log K is less than the sampling error, a warning says so and the remaining
    choices rest on upper bounds. `generator`, on the CPU, serves the sampling; None means one fixed stream.
    Memory beside the argument: `max_configurations` times K numbers in float64, a few times, and the budget of a chunk.

    Raises ValueError where rows are not normalised log-probabilities, the batch is not between 1 and N, or
    `max_configurations` is below C; both are whole numbers.
    """
    check_log_probs(log_probs_N_K_C)
    log_probs_N_K_C = log_probs_N_K_C.detach()
    num_inputs, num_samples, num_classes = log_probs_N_K_C.shape
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=num_inputs)
    max_configurations = check_whole("max_configurations", max_configurations, at_least=num_classes)
    generator = generator or stream(0, "batchbald")

    chooser = reporter = Configurations.before_any_label(num_samples, log_probs_N_K_C.device)
    bounds_N = _bald_bounds(chooser, log_probs_N_K_C)
    indices, scores, saturated = [], [0.0], False
    for size in range(batch_size):
        sampled = num_classes**size > max_configurations
        saturated = saturated or (sampled and _is_saturated(scores[-1], size, num_samples, max_configurations))
        best = _best_candidate(_refinements(chooser, saturated), log_probs_N_K_C, bounds_N)
        bounds_N[best] = -math.inf

        chooser = chooser.observe(log_probs_N_K_C[best], max_configurations, generator)
        reporter = reporter.observe(log_probs_N_K_C[best], max_configurations, generator)
        indices.append(best)
        scores.append(max(scores[-1], reporter.information()))

    return AcquiredBatch(indices, scores[1:])


def _bald_bounds(before_any_label: Configurations, log_probs_N_K_C: Tensor) -> Tensor:
    """The BALD score of every input, in float32: what its label tells with no other known, and never more after that."""
    size = _chunk_size(log_probs_N_K_C, before_any_label, torch.float32)
    gains_N = in_parts(lambda part: before_any_label.gains(part, torch.float32), log_probs_N_K_C, size, torch.float32)
    return gains_N.double() + ROUNDING


def _chunk_size(log_probs_N_K_C: Tensor, configurations: Configurations, dtype: torch.dtype) -> int:
    """How many inputs at once keep their probabilities, and those of every configuration, within the budget."""
    budget = CPU_CHUNK_BYTES if log_probs_N_K_C.device.type == "cpu" else ACCELERATOR_CHUNK_BYTES
    _, num_samples, num_classes = log_probs_N_K_C.shape
    elements = num_classes * max(num_samples, len(configurations.probs_M))
    return max(1, budget // (dtype.itemsize * elements))


def _refinements(configurations: Configurations, saturated: bool) -> list[Configurations]:
    """Ways to bound a gain from above, from coarse and cheap to exact; where the batch is saturated, only the first."""
    num_configurations, num_samples = configurations.weights_M_K.shape
    if num_configurations == 1:
        return [configurations]  # the bounds are these gains in float32 already
    exact = [configurations.to(torch.float32), configurations]
    if num_configurations <= num_samples:
        return exact
    coarse = configurations.merged(1).to(torch.float32)
    return [coarse] if saturated else [coarse, configurations.merged(2).to(torch.float32), *exact]


def _best_candidate(refinements: list[Configurations], log_probs_N_K_C: Tensor, bounds_N: Tensor) -> int:
    """The input of largest gain, lowest index first among equals; sharpens `bounds_N`, upper bounds, where needed.

    The highest bound is refined again and again, with the next highest of its level, until it is itself an exact gain:
    no other input can then gain more.
    """
    level_N = torch.zeros_like(bounds_N, dtype=torch.long)
    while True:
        best = int(bounds_N.argmax())
        level = int(level_N[best])
        if level == len(refinements):
            return best
        configurations = refinements[level]
        dtype = configurations.weights_M_K.dtype
        size = _chunk_size(log_probs_N_K_C, configurations, dtype)
        waiting_n = (level_N == level).nonzero().flatten()
        chunk_n = waiting_n[bounds_N[waiting_n].topk(min(size, len(waiting_n))).indices]

        gains_n = configurations.gains(log_probs_N_K_C[chunk_n], dtype).double()
        # Sums differ in their last digits with an input's place in the chunk: rounded, equal gains stay equal.
        gains_n = gains_n.round(decimals=10) if dtype == torch.float64 else gains_n + ROUNDING
        bounds_N[chunk_n] = torch.minimum(bounds_N[chunk_n], gains_n)
        level_N[chunk_n] += 1


def _is_saturated(score: float, size: int, num_samples: int, max_configurations: int) -> bool:
    """Whether `size` inputs have told all that `num_samples` can tell, up to the sampling error; if so, warns.

    A mean over M configurations of a doubt between 0 and log K has a standard error of at most log K / (2 sqrt(M)).
    """
    most = math.log(num_samples)
    error = most / (2 * math.sqrt(max_configurations))
    if most - score > error:
        return False
    warnings.warn(
        f"log_probs_N_K_C: {size} inputs reach a joint information of {score:.3f} nats, and {num_samples} posterior "
        f"samples cannot hold more than log K = {most:.3f}; what is left is below the estimate's error of {error:.3f}. "
        "Later choices rest on that error: use more samples or a smaller batch.",
        stacklevel=3,
    )
    return True
