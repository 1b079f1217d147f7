"""Core-set selection: a batch that covers the pool (arXiv:1708.00489).

Dimensions: N inputs, F features, L labelled inputs.
"""

import torch
from torch import Tensor

from bal_utils.batchbald import AcquiredBatch

CHUNK = 4096


def k_center_greedy(features_N_F: Tensor, labelled_L_F: Tensor, batch_size: int) -> AcquiredBatch:
    """The core-set batch: again and again the input farthest from all that is labelled or chosen (arXiv:1708.00489).

    The largest distance left over is at most twice that of the best possible batch (Gonzalez 1985). Scores are the
    Euclidean distances at which the inputs were chosen; they never rise.
    Raises ValueError where nothing is labelled, shapes differ, or the batch is not between 1 and N.
    """
    if features_N_F.dim() != 2 or len(labelled_L_F) == 0 or features_N_F.shape[1:] != labelled_L_F.shape[1:]:
        raise ValueError(
            "features_N_F, labelled_L_F: expected shapes (N, F) and (L, F) with L at least 1, "
            f"got {tuple(features_N_F.shape)} and {tuple(labelled_L_F.shape)}"
        )
    check_batch_size(batch_size, len(features_N_F))
    distances_N = torch.cat([torch.cdist(part, labelled_L_F).amin(dim=1) for part in features_N_F.split(CHUNK)])
    batch = AcquiredBatch(indices=[], scores=[])
    for _ in range(batch_size):
        farthest = distances_N.argmax().item()
        batch.indices.append(farthest)
        batch.scores.append(distances_N[farthest].item())
        distances_N = torch.minimum(distances_N, torch.cdist(features_N_F, features_N_F[farthest][None])[:, 0])
        distances_N[batch.indices] = -torch.inf  # copies of a chosen input stay available, the input itself does not
    return batch


def check_batch_size(batch_size: int, pool_size: int) -> None:
    """Raises ValueError where a batch cannot be taken from a pool of that size."""
    if not 1 <= batch_size <= pool_size:
        raise ValueError(f"batch_size: expected between 1 and the pool's {pool_size} inputs, got {batch_size}")
