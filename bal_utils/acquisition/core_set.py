"""Core-set selection: a batch that covers the pool (arXiv:1708.00489).

Dimensions: N inputs, F features, L labelled inputs.
"""

import torch
from torch import Tensor

from bal_utils.batchbald import AcquiredBatch
from bal_utils.checks import check_finite, check_whole

CHUNK = 4096
EXACT = "donot_use_mm_for_euclid_dist"  # |a - b|² as |a|² + |b|² - 2 a·b loses all digits where a and b share an offset


def k_center_greedy(features_N_F: Tensor, labelled_L_F: Tensor, batch_size: int) -> AcquiredBatch:
    """The core-set batch: again and again the input farthest from all that is labelled or chosen (arXiv:1708.00489).

    The largest distance left over is at most twice that of the best possible batch (Gonzalez 1985). Scores are the
    Euclidean distances at which the inputs were chosen; they never rise. Memory beside the arguments: both in float64, and
    4096 L distances.
    Raises ValueError where nothing is labelled, shapes differ, features are not finite, or the batch is not between 1 and N;
    TypeError where features are not tensors of float32 or float64.
    """
    distances_N = nearest_distances(features_N_F, labelled_L_F)
    batch_size = check_whole("batch_size", batch_size, at_least=1, at_most=len(features_N_F))
    features_N_F = features_N_F.double()
    batch = AcquiredBatch(indices=[], scores=[])
    for _ in range(batch_size):
        farthest = distances_N.argmax().item()
        batch.indices.append(farthest)
        batch.scores.append(distances_N[farthest].item())
        chosen_1_F = features_N_F[farthest][None]
        distances_N = torch.minimum(distances_N, torch.cdist(features_N_F, chosen_1_F, compute_mode=EXACT)[:, 0])
        distances_N[batch.indices] = -torch.inf  # copies of a chosen input stay available, the input itself does not
    return batch


def nearest_distances(features_N_F: Tensor, labelled_L_F: Tensor) -> Tensor:
    """How far, in float64, each input is from the nearest labelled one, from differences feature by feature.

    Raises what `k_center_greedy` raises.
    """
    check_finite("features_N_F", features_N_F)
    check_finite("labelled_L_F", labelled_L_F)
    if features_N_F.dim() != 2 or len(labelled_L_F) == 0 or features_N_F.shape[1:] != labelled_L_F.shape[1:]:
        raise ValueError(
            "features_N_F, labelled_L_F: expected shapes (N, F) and (L, F) with L at least 1, "
            f"got {tuple(features_N_F.shape)} and {tuple(labelled_L_F.shape)}"
        )
    distances_N = features_N_F.new_empty(len(features_N_F), dtype=torch.float64)
    labelled_L_F = labelled_L_F.double()
    for part_n_F, distances_n in zip(features_N_F.split(CHUNK), distances_N.split(CHUNK), strict=True):
        distances_n.copy_(torch.cdist(part_n_F.double(), labelled_L_F, compute_mode=EXACT).amin(dim=1))
    if not distances_N.isfinite().all():
        raise ValueError("features_N_F, labelled_L_F: expected distances that float64 can hold, got one beyond")
    return distances_N
