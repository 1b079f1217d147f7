"""Noise and ignorance: how they add up to all the doubt, and how a network learns the first of them.

Dimensions: N inputs, K posterior samples, C classes, T draws of the logits' noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bal_utils.checks import check_finite, check_floats, check_whole
from bal_utils.runtime import stream
from bal_utils.theory.information import log_mean_exp


@dataclass(frozen=True, kw_only=True)
class VarianceParts:
    """A predictive variance and the two parts that it is the sum of, one number an input."""

    aleatoric_N: Tensor
    epistemic_N: Tensor

    @property
    def total_N(self) -> Tensor:
        """The variance of a new target: the sum of its parts. Its square root is the standard deviation."""
        return self.aleatoric_N + self.epistemic_N


def split_variance(means_N_K: Tensor, variances_N_K: Tensor) -> VarianceParts:
    """Var[y | x] = E_w Var[y | x, w] + Var_w E[y | x, w], for K equally weighted samples (law of total variance).

    The samples are the whole committee, so the second part divides by K, not K - 1. Returns two tensors [N], at least 0.
    Raises ValueError where shapes differ, are not (N, K), or a variance is negative or not a number.
    """
    check_finite("means_N_K", means_N_K)
    check_floats("variances_N_K", variances_N_K)
    if means_N_K.dim() != 2 or means_N_K.shape != variances_N_K.shape or 0 in means_N_K.shape:
        raise ValueError(
            "means_N_K, variances_N_K: expected one shape (inputs, posterior samples), nothing empty, "
            f"got {tuple(means_N_K.shape)} and {tuple(variances_N_K.shape)}"
        )
    if not (variances_N_K >= 0).all():
        raise ValueError(f"variances_N_K: expected numbers of at least 0, got {variances_N_K.min().item():g}")
    return VarianceParts(aleatoric_N=variances_N_K.mean(dim=1), epistemic_N=means_N_K.var(dim=1, correction=0))


def gaussian_nll(outputs_N_2: Tensor, targets_N: Tensor) -> Tensor:
    """The mean of ½ e⁻ˢ (y - μ)² + ½ s + ½ log 2π over the inputs, in nats (arXiv:1703.04977, eq. 8).

    Column 0 of the outputs is the mean μ, column 1 the log-variance s = log σ², which may be any real number.
    Raises ValueError where the outputs are not (N, 2) or the targets not (N,).
    """
    check_floats("outputs_N_2", outputs_N_2)
    check_floats("targets_N", targets_N)
    if outputs_N_2.dim() != 2 or outputs_N_2.shape[1] != 2 or targets_N.shape != outputs_N_2.shape[:1]:
        raise ValueError(
            "outputs_N_2, targets_N: expected shapes (N, 2) and (N,), "
            f"got {tuple(outputs_N_2.shape)} and {tuple(targets_N.shape)}"
        )
    means_N, log_variances_N = outputs_N_2.unbind(dim=1)
    errors_N = (targets_N - means_N).square() * torch.exp(-log_variances_N)
    return 0.5 * (errors_N + log_variances_N + math.log(2 * math.pi)).mean()


def logit_noise_log_probs(
    logits_N_C: Tensor, log_variances_N_C: Tensor, num_samples: int, *, generator: Generator | None = None
) -> Tensor:
    """log 1/T Σ_t softmax(f + σ ε_t), the logits shaken T times, ε_t ~ N(0, I) (arXiv:1703.04977, eq. 12).

    `log_variances_N_C` holds log σ²; a last dimension of 1 gives all classes one σ. The average is taken over
    probabilities, in log space. Without a generator the noise is that of `stream(0, "logit noise")`. Returns
    log_probs_N_C; `F.nll_loss` of them is the loss. Raises ValueError where shapes or the number of samples do not fit.
    """
    check_floats("logits_N_C", logits_N_C)
    check_floats("log_variances_N_C", log_variances_N_C)
    fits = log_variances_N_C.shape in (logits_N_C.shape, (*logits_N_C.shape[:1], 1))
    if logits_N_C.dim() != 2 or not fits:
        raise ValueError(
            "logits_N_C, log_variances_N_C: expected shapes (N, C) and (N, C) or (N, 1), "
            f"got {tuple(logits_N_C.shape)} and {tuple(log_variances_N_C.shape)}"
        )
    num_samples = check_whole("num_samples", num_samples, at_least=1)
    generator = generator or stream(0, "logit noise")
    noise_T_N_C = torch.randn(num_samples, *logits_N_C.shape, generator=generator, dtype=logits_N_C.dtype)
    shaken_T_N_C = logits_N_C + torch.exp(log_variances_N_C / 2) * noise_T_N_C.to(logits_N_C.device)
    return log_mean_exp(shaken_T_N_C.log_softmax(dim=-1), dim=0)
