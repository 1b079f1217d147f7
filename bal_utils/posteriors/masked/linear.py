"""Linear layers between two dropout layers: for each posterior sample, the part of the weight that the sample keeps.

Dropout makes K thinned networks out of one. Multiplying the inputs of a linear layer by masks writes out K copies of them,
and most of the products that follow have a zero in them. Thinning the weight instead takes no copies: sample k multiplies
what it keeps of the weight with what it keeps of the inputs.

Dimensions: n inputs of a chunk, K samples, F features in, H units out; f and h, those that one sample keeps.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from bal_utils.posteriors.masked.masks import Call
from bal_utils.posteriors.masked.workspace import Workspace

KEPT_WEIGHT_BYTES = 2**26  # 64 MiB; thinned weights that take more are made anew for each chunk


class ThinnedLinear:
    """A linear layer for each sample, of what the sample keeps. Units that it drops next stay at their bias."""

    def __init__(self, linear: nn.Linear, kept_K_H: Tensor, keep_columns: Callable[[int, Tensor], Tensor]) -> None:
        """`keep_columns(k, weight_h_F)` returns weight_h_f, the columns that multiply what sample k keeps."""
        self.weight_H_F, self.bias_H = linear.weight.detach(), linear.bias
        self.units = [kept_H.nonzero().flatten() for kept_H in kept_K_H]
        self.keep_columns, self.workspace = keep_columns, Workspace()
        weights = (self._weight(sample) for sample in range(len(self.units)))
        all_bytes = len(self.units) * self._weight(0).nbytes
        self.weights = list(weights) if all_bytes <= KEPT_WEIGHT_BYTES else None

    def __call__(self, num_inputs: int, hidden_of: Callable[[int], Tensor]) -> Tensor:
        """The output for every input and sample, [n K, H], input after input, until the next call.

        `hidden_of(k)` returns hidden_f_n, the inputs that belong to the columns of sample k.
        """
        num_samples, num_units = len(self.units), len(self.weight_H_F)
        products_K_H_n = self.workspace.empty("products", num_samples, num_units, num_inputs, like=self.weight_H_F)
        products_K_H_n.zero_()
        for sample, units_h in enumerate(self.units):
            weight_h_f = self.weights[sample] if self.weights else self._weight(sample)
            products_K_H_n[sample].index_copy_(0, units_h, weight_h_f @ hidden_of(sample))
        output_n_K_H = self.workspace.empty("output", num_inputs, num_samples, num_units, like=self.weight_H_F)
        output_n_K_H.copy_(products_K_H_n.permute(2, 0, 1))
        if self.bias_H is not None:
            output_n_K_H += self.bias_H
        return output_n_K_H.flatten(0, 1)

    def _weight(self, sample: int) -> Tensor:
        return self.keep_columns(sample, self.weight_H_F.index_select(0, self.units[sample]))


class DroppedFeatures:
    """Dropout of single features, Flatten and Linear as one step: each sample masks the weight instead of the inputs."""

    num_stages, num_masks = 3, 1

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
        mask_K_F = masks[0].flatten(1)
        kept_K_H = kept_units(stages[2:], masks[1:], len(mask_K_F))
        self.linear = ThinnedLinear(stages[2], kept_K_H, lambda sample, weight_h_F: weight_h_F * mask_K_F[sample])

    def widest(self, calls: Sequence[Call]) -> int:
        """Numbers that one input needs beyond those that the layers return."""
        return 0

    def __call__(self, hidden_n: Tensor) -> Tensor:
        """The output for every input and sample, [n K, H], input after input, until the next call."""
        hidden_F_n = hidden_n.flatten(1).T
        return self.linear(len(hidden_n), lambda sample: hidden_F_n)


class WideDroppedFeatures:
    """The same step as one product, of the inputs and the masked weights of all samples: for a GPU."""

    num_stages, num_masks = 3, 1

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
        self.linear = stages[2]
        self.weight_K_H_F = self.linear.weight.detach() * masks[0].flatten(1)[:, None]

    def widest(self, calls: Sequence[Call]) -> int:
        """Numbers that one input needs beyond those that the layers return."""
        return 0

    def __call__(self, hidden_n: Tensor) -> Tensor:
        """The output for every input and sample, [n K, H], input after input."""
        output_n_K_H = (hidden_n.flatten(1) @ self.weight_K_H_F.flatten(0, 1).T).unflatten(
            1, self.weight_K_H_F.shape[:2]
        )
        return (output_n_K_H if self.linear.bias is None else output_n_K_H + self.linear.bias).flatten(0, 1)


def match(
    stages: Sequence[nn.Module], masks: Sequence[Tensor], wide: bool
) -> DroppedFeatures | WideDroppedFeatures | None:
    """Dropout, Flatten and Linear at the start of the stages as one step; None where other stages are there."""
    known = type(stages[0]) is nn.Dropout and begins_with_linear(stages[1:])
    return (WideDroppedFeatures if wide else DroppedFeatures)(stages, masks) if known else None


def begins_with_linear(stages: Sequence[nn.Module]) -> bool:
    """Whether Flatten and Linear come first, and nothing listens to what goes in and out."""
    if [type(stage) for stage in stages[:2]] != [nn.Flatten, nn.Linear]:
        return False
    flatten, linear = stages[:2]
    return (flatten.start_dim, flatten.end_dim) == (1, -1) and not has_hooks(flatten) and not has_hooks(linear)


def kept_units(stages: Sequence[nn.Module], masks_behind: Sequence[Tensor], num_samples: int) -> Tensor:
    """Not zero, [K, H], for the units of the linear layer `stages[0]` that a sample needs.

    All of them, unless dropout is next, but for ReLU.
    """
    linear, *behind = stages
    following = next((stage for stage in behind if type(stage) is not nn.ReLU), None)
    return (
        masks_behind[0] if type(following) is nn.Dropout else linear.weight.new_ones(num_samples, linear.out_features)
    )


def has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
