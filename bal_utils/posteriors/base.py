"""The contract of every posterior: a fitted object with one verb, `sample_outputs`. Log-probabilities follow from it, here.

Dimensions: N inputs, K samples, C classes; n inputs of a chunk; * any further dimensions.
"""

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

LOOKED_AT = 4  # inputs by which outputs are judged


class Posterior(ABC):
    """A fitted distribution over functions f(x, w). Sample k is one function, the same for every input, as BatchBALD needs."""

    @abstractmethod
    def sample_outputs(self, inputs: Tensor, num_samples: int, *, generator: Generator | None = None) -> Tensor:
        """The outputs f(x, w_k) of K samples, each shared by all inputs: outputs_N_K_* on the device of the weights.

        The same generator gives the same samples; without one they are the same at every call. Memory stays bounded.
        Raises TypeError or ValueError where there are no inputs, or num_samples is not a whole number of at least 1.
        """

    def sample_log_probs(
        self, inputs: Tensor, num_samples: int | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """log p(y | x, w_k) of K classifiers: log_probs_N_K_C. Only a finite set of samples can be asked for all (None).

        Raises as `sample_outputs` and `class_log_probs` do.
        """
        return class_log_probs(self.sample_outputs(inputs, num_samples, generator=generator))


def class_log_probs(outputs_n_K_C: Tensor) -> Tensor:
    """The logarithm of the softmax of logits. Log-probabilities stay what they are; half precision becomes float32.

    Raises ValueError as `check_logits` does.
    """
    if outputs_n_K_C.dim() != 3:
        shape = ("n", *outputs_n_K_C.shape[2:])
        raise ValueError(f"model: expected one that returns logits_n_C, got outputs of shape {shape}")
    check_logits(outputs_n_K_C)
    half = outputs_n_K_C.dtype in (torch.float16, torch.bfloat16)  # whose logarithms would not be normalised to 1e-3
    return outputs_n_K_C.log_softmax(dim=-1, dtype=torch.float32 if half else None)


def check_logits(outputs_n_C: Tensor) -> None:
    """Raises ValueError unless outputs, over their last dimension, can be logits or log-probabilities of two classes or more.

    The softmax of one number is 1 whatever it is: nothing would ever be in doubt. The softmax of probabilities is another,
    much flatter distribution.
    """
    if outputs_n_C.dim() < 2 or outputs_n_C.shape[-1] < 2:
        raise ValueError(
            f"model: expected logits of at least two classes, got outputs of shape {('n', *outputs_n_C.shape[1:])}; "
            "for a Bernoulli model with one logit a, let it return the two logits (0, a)"
        )
    if _are_probabilities(outputs_n_C[:LOOKED_AT]) and _are_probabilities(outputs_n_C):
        raise ValueError(
            "model: expected logits or log-probabilities, got probabilities; leave out its last softmax, or use log_softmax"
        )


def _are_probabilities(outputs_n_C: Tensor) -> bool:
    if (outputs_n_C < 0).any():
        return False
    half = outputs_n_C.dtype in (torch.float16, torch.bfloat16)
    totals_n = outputs_n_C.sum(dim=-1, dtype=torch.float32 if half else None)
    rounding = max(
        torch.finfo(outputs_n_C.dtype).eps, torch.finfo(torch.float32).eps
    )  # float64 may come from a float32
    return bool((totals_n - 1).abs().max() < 4 * outputs_n_C.shape[-1] ** 0.5 * rounding)
