"""What to ask for next: `scores` of inputs, `batches` made of them, and the `strategies` by name."""

from bal_utils.acquisition.batches import (
    gumbel_top_k,
    highest_scores,
    k_center_greedy,
    power_batch,
    softmax_batch,
)
from bal_utils.acquisition.diverse import badge_batch, probcover_batch
from bal_utils.acquisition.scores import (
    bald_scores,
    entropy_scores,
    epig_scores,
    expected_error_reduction_scores,
    expected_gradient_length_scores,
    least_confidence_scores,
    margin_scores,
    mean_kl_scores,
    mean_std_scores,
    random_scores,
    variation_ratio_scores,
    vote_entropy_scores,
)
from bal_utils.acquisition.strategies import ACQUISITIONS, Candidates, Features, Strategy, find_strategy
