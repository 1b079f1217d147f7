"""Channel dropout before a convolution, for all posterior samples at the price of one matrix product.

Dropout2d scales whole channels by numbers that are zero or positive. Max-pooling and ReLU commute with such a scale, and
a convolution is linear in its input channels, so that for the mask m of sample k

    conv(m_k * h) = bias + Σ_c m_kc conv_c(h_c).

The contribution conv_c(h_c) of each channel is the same for every sample: compute it once, and all K convolutions become
the product of the K x C masks and the C contributions. A kernel of 5 x 5 has 25 taps, so this is 25 times fewer operations.
The dropout layer behind the convolution halves them again: a channel is computed for the samples that keep it.

Dimensions: n inputs of a chunk, last, so that work is done on long rows; K samples, C channels in, D channels out, T taps
of the kernel, W places in a pooling window, P pooled pixels; R pairs of a channel out and a sample that keeps it, r of
them with one channel or one sample.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor, nn

from bal_utils.posteriors.dropout_masks import Call
from bal_utils.posteriors.thinned_linear import ThinnedLinear, begins_with_linear, has_hooks, kept_units
from bal_utils.posteriors.workspace import Workspace

COMMUTE_WITH_CHANNEL_SCALES = (nn.MaxPool2d, nn.ReLU)


class KeptChannels:
    """The R pairs of a channel and a sample that keeps it, channel after channel."""

    def __init__(self, mask_K_D: Tensor) -> None:
        self.shape_K_D, self.workspace = mask_K_D.shape, Workspace()
        self.channel_R, self.sample_R = mask_K_D.T.nonzero().unbind(dim=1)
        self.scale_R_1 = mask_K_D[self.sample_R, self.channel_R, None]
        self.samples_of_channel = torch.bincount(self.channel_R, minlength=mask_K_D.shape[1]).tolist()
        self.rows_of_sample = [(self.sample_R == sample).nonzero().flatten() for sample in range(len(mask_K_D))]

    def spread(self, maps_R_P_n: Tensor) -> Tensor:
        """The maps as [n, K, D, P], zero where a sample drops a channel."""
        maps_K_D_P_n = maps_R_P_n.new_zeros(*self.shape_K_D, *maps_R_P_n.shape[1:])
        maps_K_D_P_n[self.sample_R, self.channel_R] = maps_R_P_n
        return maps_K_D_P_n.permute(3, 0, 1, 2)

    def columns(self, sample: int, weight_h_F: Tensor) -> Tensor:
        """The columns of a weight that multiply what the sample keeps."""
        weight_h_D_P = weight_h_F.unflatten(1, (self.shape_K_D[1], -1))
        return weight_h_D_P.index_select(1, self.channel_R[self.rows_of_sample[sample]]).flatten(1)

    def maps_of(self, sample: int, maps_R_P_n: Tensor) -> Tensor:
        """The maps that the sample keeps, pixel after pixel, until the next call."""
        rows_r = self.rows_of_sample[sample]
        maps_r_P_n = self.workspace.empty("maps", len(rows_r), *maps_R_P_n.shape[1:], like=maps_R_P_n)
        return torch.index_select(maps_R_P_n, 0, rows_r, out=maps_r_P_n).flatten(0, 1)


class FoldedConvolution:
    """Dropout2d, (max-pool, ReLU), Conv2d, then Dropout2d, max-pool and perhaps ReLU in any order, as one step.

    Where Flatten and Linear follow, they belong to it. Lives as long as one evaluation: weights are kept as they are now.
    """

    num_masks = 2

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor], kept_K_H: Tensor | None) -> None:
        """`stages` are those of the step, `kept_K_H` the units of its linear layer, if any, that a sample needs."""
        position = next(i for i, stage in enumerate(stages) if type(stage) is nn.Conv2d)
        self.before, self.conv, self.num_stages = stages[1:position], stages[position], len(stages)
        self.pool = _window(next(stage for stage in stages[position:] if type(stage) is nn.MaxPool2d))
        self.relu = any(type(stage) is nn.ReLU for stage in stages[position:])
        self.weight_C_D_T = self.conv.weight.detach().transpose(0, 1).flatten(2).contiguous()
        mask_K_C, mask_K_D = (mask.flatten(1) for mask in masks[:2])
        self.kept, self.workspace = KeptChannels(mask_K_D), Workspace()
        self.mask_R_C = mask_K_C[self.kept.sample_R] * self.kept.scale_R_1
        bias_D = mask_K_D.new_zeros(mask_K_D.shape[1]) if self.conv.bias is None else self.conv.bias.detach()
        self.bias_R_1 = bias_D[self.kept.channel_R, None] * self.kept.scale_R_1
        self.linear = None if kept_K_H is None else ThinnedLinear(stages[-1], kept_K_H, self.kept.columns)

    def widest(self, calls: Sequence[Call]) -> int:
        """The most numbers that one input needs at once: the contributions, or the pooled maps of all samples."""
        maps = next(call.numel for call in calls if call.module is self.conv)
        num_samples, _ = self.kept.shape_K_D
        return maps * max(self.conv.in_channels, num_samples // math.prod(self.pool))

    def __call__(self, hidden_n_C_H_W: Tensor) -> Tensor:
        """The output for every input and sample, [n K, D, H', W'] or [n K, H], input after input, until the next call."""
        for stage in self.before:
            hidden_n_C_H_W = stage(hidden_n_C_H_W)
        patches_C_T_W_P_n, height, width = self._patches(hidden_n_C_H_W.permute(1, 2, 3, 0))
        maps_R_P_n = self._maps(patches_C_T_W_P_n)
        if self.linear:
            num_inputs = len(hidden_n_C_H_W)
            return self.linear(num_inputs, lambda sample: self.kept.maps_of(sample, maps_R_P_n))
        return self.kept.spread(maps_R_P_n).unflatten(3, (height, width)).flatten(0, 1)

    def _maps(self, patches_C_T_W_P_n: Tensor) -> Tensor:
        """Convolution, max-pooling, bias and ReLU, one channel out after the other: its maps stay in the cache."""
        C, T, W, P, n = patches_C_T_W_P_n.shape
        R, D = len(self.mask_R_C), self.conv.out_channels
        contributions_C_D_WPn = self.workspace.empty("contributions", C, D, W * P * n, like=patches_C_T_W_P_n)
        torch.bmm(self.weight_C_D_T, patches_C_T_W_P_n.view(C, T, W * P * n), out=contributions_C_D_WPn)
        pooled_R_Pn = self.workspace.empty("pooled", R, P * n, like=patches_C_T_W_P_n)
        counts = self.kept.samples_of_channel
        rows = zip(*(rows_R.split(counts) for rows_R in (self.mask_R_C, self.bias_R_1, pooled_R_Pn)), strict=True)
        for channel, (mask_r_C, bias_r_1, pooled_r_Pn) in enumerate(rows):
            maps_r_WPn = self.workspace.empty("maps", len(mask_r_C), W * P * n, like=pooled_r_Pn)
            torch.mm(mask_r_C, contributions_C_D_WPn[:, channel], out=maps_r_WPn)
            torch.amax(maps_r_WPn.view(-1, W, P * n), dim=1, out=pooled_r_Pn)
            pooled_r_Pn += bias_r_1
            if self.relu:
                pooled_r_Pn.relu_()
        return pooled_R_Pn.view(R, P, n)

    def _patches(self, hidden_C_H_W_n: Tensor) -> tuple[Tensor, int, int]:
        """What each tap of the kernel sees at each place of each pooling window, and the pooled height and width."""
        (kernel_h, kernel_w), (stride_h, stride_w) = self.conv.kernel_size, self.conv.stride
        (pool_h, pool_w), (pad_h, pad_w) = self.pool, self.conv.padding
        C, H, W, n = hidden_C_H_W_n.shape
        padded = self.workspace.empty("padded", C, H + 2 * pad_h, W + 2 * pad_w, n, like=hidden_C_H_W_n).zero_()
        padded[:, pad_h : pad_h + H, pad_w : pad_w + W] = hidden_C_H_W_n
        seen = padded.unfold(1, kernel_h, stride_h).unfold(2, kernel_w, stride_w)
        height, width = seen.shape[1] // pool_h, seen.shape[2] // pool_w
        windows = (
            seen[:, : height * pool_h, : width * pool_w].unflatten(2, (width, pool_w)).unflatten(1, (height, pool_h))
        )
        patches = windows.permute(0, 6, 7, 2, 4, 1, 3, 5)  # C, kernel_h, kernel_w, pool_h, pool_w, height, width, n
        copied = self.workspace.empty("patches", *patches.shape, like=patches).copy_(patches)
        return copied.flatten(5, 6).flatten(3, 4).flatten(1, 2), height, width


def match(stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> FoldedConvolution | None:
    """The folded form of the first stages, or None where they are not the pattern that it knows; `masks` are theirs."""
    position = next((i for i, stage in enumerate(stages) if type(stage) is nn.Conv2d), None)
    if position is None or type(stages[0]) is not nn.Dropout2d:
        return None
    before, conv, behind = stages[1:position], stages[position], stages[position + 1 :]
    known = (nn.Dropout2d, *COMMUTE_WITH_CHANNEL_SCALES)
    after = list(takewhile(lambda stage: type(stage) in known and not has_hooks(stage), behind))
    counts = Counter(type(stage) for stage in after)
    if any(type(stage) not in COMMUTE_WITH_CHANNEL_SCALES for stage in before):
        return None
    if counts[nn.Dropout2d] != 1 or counts[nn.MaxPool2d] != 1 or not _is_plain_convolution(conv):
        return None
    if _window(next(stage for stage in after if type(stage) is nn.MaxPool2d)) is None:
        return None
    num_stages, rest, kept_K_H = position + 1 + len(after), behind[len(after) :], None
    if begins_with_linear(rest):
        num_stages, kept_K_H = num_stages + 2, kept_units(rest[1:], masks[2:], len(masks[0]))
    return FoldedConvolution(stages[:num_stages], masks, kept_K_H)


def _is_plain_convolution(conv: nn.Conv2d) -> bool:
    """Whether `conv` is its weight, stride, zero padding and bias, and nothing else."""
    zero_padded = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return conv.groups == 1 and conv.dilation == (1, 1) and zero_padded and not has_hooks(conv)


def _window(pool: nn.MaxPool2d) -> tuple[int, int] | None:
    """Height and width of the windows of `pool` where they tile the plane, else None."""
    size, stride, padding, dilation = (
        value if isinstance(value, tuple) else (value, value)
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    tiles = size == stride and padding == (0, 0) and dilation == (1, 1)
    return size if tiles and not pool.ceil_mode and not pool.return_indices else None
