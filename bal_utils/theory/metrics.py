"""How good a prediction is: arrays in, a number out.

Dimensions: N inputs, C classes. `log_probs_N_C` is the prediction averaged over posterior samples,
`log_mean_exp(log_probs_N_K_C, dim=1)`; labels_N are whole numbers of any type from 0 to C - 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bal_utils.checks import check_finite, check_floats, check_labels, check_whole
from bal_utils.theory.information import check_log_probs


def accuracy(log_probs_N_C: Tensor, labels_N: Tensor) -> float:
    """The share of inputs whose most probable class is their label, in [0, 1].

    Raises TypeError or ValueError where rows are not normalised log-probabilities or labels do not fit them,
    as all functions of this module do.
    """
    labels_N = _checked(log_probs_N_C, labels_N)
    return (log_probs_N_C.argmax(dim=1) == labels_N).double().mean().item()


def negative_log_likelihood(log_probs_N_C: Tensor, labels_N: Tensor) -> float:
    """-1/N Σ_n log p(y_n | x_n), in nats, at least 0; infinite where a label was held impossible."""
    labels_N = _checked(log_probs_N_C, labels_N)
    return -log_probs_N_C.gather(1, labels_N[:, None]).double().mean().item()


def brier_score(log_probs_N_C: Tensor, labels_N: Tensor) -> float:
    """1/N Σ_n Σ_c (p(c | x_n) - [c = y_n])², summed over classes as Brier did (1950), in [0, 2]."""
    labels_N = _checked(log_probs_N_C, labels_N)
    truth_N_C = torch.nn.functional.one_hot(labels_N, log_probs_N_C.shape[1])
    return (log_probs_N_C.double().exp() - truth_N_C).square().sum(dim=1).mean().item()


@dataclass(frozen=True, kw_only=True)
class ReliabilityCurve:
    """For each bin of confidence that holds inputs: their mean confidence, their accuracy, and how many they are."""

    confidence: list[float]
    accuracy: list[float]
    count: list[int]


def reliability_curve(log_probs_N_C: Tensor, labels_N: Tensor, *, num_bins: int = 15) -> ReliabilityCurve:
    """Accuracy against confidence, the highest probability, in bins of equal width; equal where calibrated.

    Guo et al. 2017 (arXiv:1706.04599, section 2). Bins are [0, 1/B), [1/B, 2/B), ..., [1 - 1/B, 1].
    """
    labels_N = _checked(log_probs_N_C, labels_N)
    num_bins = check_whole("num_bins", num_bins, at_least=1)
    log_confidence_N, predicted_N = log_probs_N_C.max(dim=1)
    confidence_N, correct_N = log_confidence_N.double().exp(), (predicted_N == labels_N).double()
    bins_N = (confidence_N * num_bins).long().clamp(max=num_bins - 1)
    counts = torch.bincount(bins_N, minlength=num_bins)
    filled = counts > 0
    confidence, correct = (
        (torch.bincount(bins_N, weights, minlength=num_bins) / counts)[filled] for weights in (confidence_N, correct_N)
    )
    return ReliabilityCurve(confidence=confidence.tolist(), accuracy=correct.tolist(), count=counts[filled].tolist())


def expected_calibration_error(log_probs_N_C: Tensor, labels_N: Tensor, *, num_bins: int = 15) -> float:
    """Σ_b (N_b / N) |accuracy_b - confidence_b| over the bins of `reliability_curve` (arXiv:1706.04599, eq. 3), in [0, 1]."""
    curve = reliability_curve(log_probs_N_C, labels_N, num_bins=num_bins)
    bins = zip(curve.count, curve.accuracy, curve.confidence, strict=True)
    return sum(count * abs(correct - confidence) for count, correct, confidence in bins) / len(labels_N)


def ood_auroc(scores_in_N: Tensor, scores_out_N: Tensor) -> float:
    """P(a strange input scores higher than a familiar one), ties counted half: the area under the ROC curve, in [0, 1].

    Scores grow with uncertainty; 0.5 is chance. Raises ValueError where a set is empty or a score is not finite.
    """
    from sklearn.metrics import roc_auc_score

    for name, scores in (("scores_in_N", scores_in_N), ("scores_out_N", scores_out_N)):
        check_finite(name, scores)
        if scores.dim() != 1 or len(scores) == 0:
            raise ValueError(f"{name}: expected finite scores, one for each input, got shape {tuple(scores.shape)}")
    is_strange = torch.cat([torch.zeros(len(scores_in_N)), torch.ones(len(scores_out_N))])
    return float(roc_auc_score(is_strange.numpy(), torch.cat([scores_in_N, scores_out_N]).cpu().numpy()))


def _checked(log_probs_N_C: Tensor, labels_N: Tensor) -> Tensor:
    """The labels as int64, after all that is refused."""
    check_floats("log_probs_N_C", log_probs_N_C)
    if log_probs_N_C.dim() != 2:
        raise ValueError(
            f"log_probs_N_C: expected two dimensions (inputs, classes), got shape {tuple(log_probs_N_C.shape)}"
        )
    check_log_probs(log_probs_N_C[:, None], name="log_probs_N_C")
    num_inputs, num_classes = log_probs_N_C.shape
    return check_labels("labels_N", labels_N, num_inputs=num_inputs, num_classes=num_classes)
