"""Channel dropout before a convolution, for all posterior samples at the price of one matrix product.

Dropout2d scales whole channels by numbers that are zero or positive. Max-pooling and ReLU commute with such a scale, and
a convolution is linear in its input channels, so that for the mask m of sample k

    conv(m_k * h) = bias + Σ_c m_kc conv_c(h_c).

The contribution conv_c(h_c) of each channel is the same for every sample: compute it once, and all K convolutions become
the product of the K x C masks and the C contributions. A kernel of 5 x 5 has 25 taps, so this is 25 times fewer operations.

Dimensions: n inputs of a chunk, K samples, C channels in, D channels out, T taps of the kernel, W places in a pooling
window, P pooled pixels.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_utils.posteriors.workspace import Workspace

COMMUTE_WITH_CHANNEL_SCALES = (nn.MaxPool2d, nn.ReLU)


class FoldedConvolution:
    """Dropout2d, (max-pool, ReLU), Conv2d, then Dropout2d, max-pool and perhaps ReLU in any order, as one step.

    Lives as long as one evaluation: the weight is kept as it is now.
    """

    def __init__(
        self, *, before: Sequence[nn.Module], conv: nn.Conv2d, pool: tuple[int, int], relu: bool, num_stages: int
    ) -> None:
        self.before, self.conv, self.pool, self.relu, self.num_stages = before, conv, pool, relu, num_stages
        self.weight_C_T_D = conv.weight.detach().permute(1, 2, 3, 0).flatten(1, 2).contiguous()
        self.workspace = Workspace()

    def __call__(self, hidden_n_C_H_W: Tensor, mask_K_C_1_1: Tensor, mask_K_D_1_1: Tensor) -> Tensor:
        """The output for every input and sample, [n K, D, H', W'], input after input, until the next call."""
        for stage in self.before:
            hidden_n_C_H_W = stage(hidden_n_C_H_W)
        patches_C_n_W_P_T, height, width = self._patches(hidden_n_C_H_W.contiguous())
        C, n, W, P, _ = patches_C_n_W_P_T.shape
        K, D = len(mask_K_C_1_1), self.conv.out_channels
        contributions_C_nWP_D = self._product("contributions", patches_C_n_W_P_T.flatten(1, 3), self.weight_C_T_D)
        contributions_n_C_WPD = contributions_C_nWP_D.view(C, n, W * P * D).transpose(0, 1)
        maps_n_K_WPD = self._product("maps", mask_K_C_1_1.view(1, K, C).expand(n, K, C), contributions_n_C_WPD)
        pooled_n_K_P_D = self._pooled(maps_n_K_WPD.view(n, K, W, P, D))
        output_n_K_D_P = self.workspace.empty("output", n, K, D, P, like=pooled_n_K_P_D)
        torch.mul(pooled_n_K_P_D.transpose(2, 3), mask_K_D_1_1.view(K, D, 1), out=output_n_K_D_P)
        return output_n_K_D_P.view(n * K, D, height, width)

    def _product(self, name: str, left: Tensor, right: Tensor) -> Tensor:
        out = self.workspace.empty(name, *left.shape[:2], right.shape[2], like=left)
        return torch.bmm(left, right, out=out)

    def _pooled(self, maps_n_K_W_P_D: Tensor) -> Tensor:
        """Max-pooling, bias and ReLU. The places of a window are separate planes: their maximum runs over long rows."""
        first, *others = maps_n_K_W_P_D.unbind(2)
        pooled_n_K_P_D = self.workspace.empty("pooled", *first.shape, like=first).copy_(first)
        for plane in others:
            torch.maximum(pooled_n_K_P_D, plane, out=pooled_n_K_P_D)
        if self.conv.bias is not None:
            pooled_n_K_P_D += self.conv.bias
        return pooled_n_K_P_D.relu_() if self.relu else pooled_n_K_P_D

    def _patches(self, hidden_n_C_H_W: Tensor) -> tuple[Tensor, int, int]:
        """What the kernel sees at each place of each pooling window, and the pooled height and width."""
        (kernel_h, kernel_w), (stride_h, stride_w) = self.conv.kernel_size, self.conv.stride
        (pool_h, pool_w), (pad_h, pad_w) = self.pool, self.conv.padding
        padded = F.pad(hidden_n_C_H_W, (pad_w, pad_w, pad_h, pad_h))
        seen = padded.unfold(2, kernel_h, stride_h).unfold(3, kernel_w, stride_w)
        height, width = seen.shape[2] // pool_h, seen.shape[3] // pool_w
        seen = seen[:, :, : height * pool_h, : width * pool_w]
        windows = seen.unflatten(3, (width, pool_w)).unflatten(2, (height, pool_h))
        patches = windows.permute(1, 0, 3, 5, 2, 4, 6, 7)  # C, n, pool_h, pool_w, height, width, kernel_h, kernel_w
        copied = self.workspace.empty("patches", *patches.shape, like=patches).copy_(patches)
        return copied.flatten(6, 7).flatten(4, 5).flatten(2, 3), height, width


def match(stages: Sequence[nn.Module]) -> FoldedConvolution | None:
    """The folded form of the first stages, or None where they are not the pattern that it knows."""
    position = next((i for i, stage in enumerate(stages) if type(stage) is nn.Conv2d), None)
    if position is None or type(stages[0]) is not nn.Dropout2d:
        return None
    before, conv = stages[1:position], stages[position]
    known = (nn.Dropout2d, *COMMUTE_WITH_CHANNEL_SCALES)
    after = list(takewhile(lambda stage: type(stage) in known, stages[position + 1 :]))
    counts = Counter(type(stage) for stage in after)
    if any(type(stage) not in COMMUTE_WITH_CHANNEL_SCALES for stage in before):
        return None
    if counts[nn.Dropout2d] != 1 or counts[nn.MaxPool2d] != 1 or not _is_plain_convolution(conv):
        return None
    pool = _window(next(stage for stage in after if type(stage) is nn.MaxPool2d))
    if pool is None:
        return None
    return FoldedConvolution(
        before=before, conv=conv, pool=pool, relu=counts[nn.ReLU] > 0, num_stages=position + 1 + len(after)
    )


def _is_plain_convolution(conv: nn.Conv2d) -> bool:
    """Whether `conv` is its weight, stride, zero padding and bias, and nothing else."""
    hooked = conv._forward_hooks or conv._forward_pre_hooks
    zero_padded = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return conv.groups == 1 and conv.dilation == (1, 1) and zero_padded and not hooked


def _window(pool: nn.MaxPool2d) -> tuple[int, int] | None:
    """Height and width of the windows of `pool` where they tile the plane, else None."""
    size, stride, padding, dilation = (
        value if isinstance(value, tuple) else (value, value)
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    tiles = size == stride and padding == (0, 0) and dilation == (1, 1)
    return size if tiles and not pool.ceil_mode and not pool.return_indices else None
