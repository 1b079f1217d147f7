"""Channel dropout before a convolution, for all posterior samples at the price of one matrix product.

Dropout2d scales whole channels by numbers that are zero or positive. Max-pooling and ReLU commute with such a scale, and
a convolution is linear in its input channels, so that for the mask m of sample k

    conv(m_k * h) = bias + Σ_c m_kc conv_c(h_c).

The contribution conv_c(h_c) of each channel is the same for every sample: compute it once, and all K convolutions become
the product of the K x C masks and the C contributions. A kernel of 5 x 5 has 25 taps, so this is 25 times fewer operations.
The dropout layer behind the convolution halves them again on a processor: a channel is computed for the samples that keep
it. A GPU computes all of them at once.

Dimensions: n inputs of a chunk, last, so that work is done on long rows; K samples, C channels in, D channels out, T taps
of the kernel, W places in a pooling window, P pooled pixels; R pairs of a channel out and a sample that keeps it, r of
them with one channel or one sample.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bal_utils.posteriors.masked.linear import ThinnedLinear, begins_with_linear, has_hooks, kept_units
from bal_utils.posteriors.masked.masks import Call
from bal_utils.posteriors.masked.workspace import Workspace

COMMUTE_WITH_CHANNEL_SCALES = (nn.MaxPool2d, nn.ReLU)
ALIGNED = 8  # numbers that a GPU's matrix units read at once


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

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
        """`stages` are those of the step."""
        position = next(i for i, stage in enumerate(stages) if type(stage) is nn.Conv2d)
        self.before, self.conv, self.num_stages = stages[1:position], stages[position], len(stages)
        self.linear = stages[-1] if type(stages[-1]) is nn.Linear else None
        self.pool = _window(next(stage for stage in stages[position:] if type(stage) is nn.MaxPool2d))
        self.relu = any(type(stage) is nn.ReLU for stage in stages[position:])
        self.weight_C_D_T = self.conv.weight.detach().transpose(0, 1).flatten(2).contiguous()
        self.mask_K_C, self.mask_K_D = (mask.flatten(1) for mask in masks[:2])
        self.workspace = Workspace()

    def __call__(self, hidden_n_C_H_W: Tensor) -> Tensor:
        """The output for every input and sample, [n K, D, H', W'] or [n K, H], input after input, until the next call."""
        for stage in self.before:
            hidden_n_C_H_W = stage(hidden_n_C_H_W)
        patches_C_T_W_P_n, height, width = self._patches(hidden_n_C_H_W.permute(1, 2, 3, 0))
        return self._output(patches_C_T_W_P_n, height, width)

    def words(self, copied: Tensor) -> Tensor:
        """The bytes of a contiguous tensor as they are best copied."""
        return copied

    def widest(self, calls: Sequence[Call]) -> int:
        """The most numbers that one input needs at once."""
        raise NotImplementedError

    def _output(self, patches_C_T_W_P_n: Tensor, height: int, width: int) -> Tensor:
        """The convolution and what follows, for every sample."""
        raise NotImplementedError

    def _patches(self, hidden_C_H_W_n: Tensor) -> tuple[Tensor, int, int]:
        """What each tap of the kernel sees at each place of each pooling window, and the pooled height and width."""
        (kernel_h, kernel_w), (stride_h, stride_w) = self.conv.kernel_size, self.conv.stride
        (pool_h, pool_w), (pad_h, pad_w) = self.pool, self.conv.padding
        C, H, W, n = hidden_C_H_W_n.shape
        padded = self.workspace.empty("padded", C, H + 2 * pad_h, W + 2 * pad_w, n, like=hidden_C_H_W_n).zero_()
        padded[:, pad_h : pad_h + H, pad_w : pad_w + W] = hidden_C_H_W_n
        seen = self.words(padded).unfold(1, kernel_h, stride_h).unfold(2, kernel_w, stride_w)
        height, width = seen.shape[1] // pool_h, seen.shape[2] // pool_w
        windows = (
            seen[:, : height * pool_h, : width * pool_w].unflatten(2, (width, pool_w)).unflatten(1, (height, pool_h))
        )
        patches = windows.permute(0, 6, 7, 2, 4, 1, 3, 5)  # C, kernel_h, kernel_w, pool_h, pool_w, height, width, n
        taps = self.weight_C_D_T.shape[2]  # with those of zero weight that fill it up
        copied_C_T = self.workspace.empty("patches", C, taps, *patches.shape[3:-1], n, like=padded)
        self.words(copied_C_T)[:, : kernel_h * kernel_w].unflatten(1, (kernel_h, kernel_w)).copy_(patches)
        copied_C_T[:, kernel_h * kernel_w :].zero_()
        return copied_C_T.flatten(4, 5).flatten(2, 3), height, width


class ThinnedFoldedConvolution(FoldedConvolution):
    """Without what each sample drops: half the operations, and pieces that stay in a processor's cache."""

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor], kept_K_H: Tensor | None) -> None:
        """`kept_K_H`: the units of the linear layer, if any, that a sample needs."""
        super().__init__(stages, masks)
        self.kept = KeptChannels(self.mask_K_D)
        self.mask_R_C = self.mask_K_C[self.kept.sample_R] * self.kept.scale_R_1
        bias_D = _bias_of(self.conv)
        self.bias_R_1 = bias_D[self.kept.channel_R, None] * self.kept.scale_R_1
        self.thinned = ThinnedLinear(self.linear, kept_K_H, self.kept.columns) if self.linear else None

    def widest(self, calls: Sequence[Call]) -> int:
        """The contributions, or the pooled maps of all samples."""
        maps = next(call.numel for call in calls if call.module is self.conv)
        return maps * max(self.conv.in_channels, len(self.mask_K_D) // math.prod(self.pool))

    def _output(self, patches_C_T_W_P_n: Tensor, height: int, width: int) -> Tensor:
        """Convolution, max-pooling, bias and ReLU, one channel out after the other: its maps stay in the cache."""
        C, T, W, P, n = patches_C_T_W_P_n.shape
        D = self.conv.out_channels
        contributions_C_D_WPn = self.workspace.empty("contributions", C, D, W * P * n, like=patches_C_T_W_P_n)
        torch.bmm(self.weight_C_D_T, patches_C_T_W_P_n.view(C, T, W * P * n), out=contributions_C_D_WPn)
        pooled_R_Pn = self.workspace.empty("pooled", len(self.mask_R_C), P * n, like=patches_C_T_W_P_n)
        counts = self.kept.samples_of_channel
        rows = zip(*(rows_R.split(counts) for rows_R in (self.mask_R_C, self.bias_R_1, pooled_R_Pn)), strict=True)
        for channel, (mask_r_C, bias_r_1, pooled_r_Pn) in enumerate(rows):
            maps_r_WPn = self.workspace.empty("maps", len(mask_r_C), W * P * n, like=pooled_r_Pn)
            torch.mm(mask_r_C, contributions_C_D_WPn[:, channel], out=maps_r_WPn)
            torch.amax(maps_r_WPn.view(-1, W, P * n), dim=1, out=pooled_r_Pn)
            pooled_r_Pn += bias_r_1
            if self.relu:
                pooled_r_Pn.relu_()
        maps_R_P_n = pooled_R_Pn.view(-1, P, n)
        if self.thinned:
            return self.thinned(n, lambda sample: self.kept.maps_of(sample, maps_R_P_n))
        return self.kept.spread(maps_R_P_n).unflatten(3, (height, width)).flatten(0, 1)


class WideFoldedConvolution(FoldedConvolution):
    """All samples and channels in one product, dropped ones too: a GPU multiplies zeros faster than it launches kernels."""

    def __init__(self, stages: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
        super().__init__(stages, masks)
        # the bias is one more contribution, which no sample drops; zeros fill up the rows that matrix units take at once
        self.mask_K_C = F.pad(F.pad(self.mask_K_C, (0, 1), value=1.0), (0, -(self.mask_K_C.shape[1] + 1) % ALIGNED))
        self.weight_C_D_T = F.pad(self.weight_C_D_T, (0, -self.weight_C_D_T.shape[2] % ALIGNED))
        if self.linear:
            weight_H_D_P = self.linear.weight.detach().unflatten(1, (self.mask_K_D.shape[1], -1))
            self.weight_K_H_F = (weight_H_D_P * self.mask_K_D[:, None, :, None]).flatten(2)

    def words(self, copied: Tensor) -> Tensor:
        """As words of 8 bytes where the length of rows allows: a GPU copies single numbers one by one."""
        return copied.view(torch.int64) if copied.shape[-1] * copied.itemsize % 8 == 0 else copied

    def widest(self, calls: Sequence[Call]) -> int:
        """The maps of all samples, of one place of each window and the largest so far."""
        maps = next(call.numel for call in calls if call.module is self.conv)
        return maps * max(self.conv.in_channels, 2 * len(self.mask_K_D)) // math.prod(self.pool)

    def _output(self, patches_C_T_W_P_n: Tensor, height: int, width: int) -> Tensor:
        C, _, W, P, n = patches_C_T_W_P_n.shape
        K, D = self.mask_K_D.shape
        contributions_C_DPn = self.workspace.empty(
            "contributions", self.mask_K_C.shape[1], D * P * n, like=patches_C_T_W_P_n
        )
        contributions_C_DPn[C].view(D, P * n).copy_(_bias_of(self.conv)[:, None].expand(D, P * n))
        contributions_C_DPn[C + 1 :].zero_()
        pooled_K_DPn = self.workspace.empty("pooled", K, D * P * n, like=patches_C_T_W_P_n)
        maps_K_DPn = self.workspace.empty("maps", K, D * P * n, like=patches_C_T_W_P_n)
        for place in range(W):
            patches_C_T_Pn = patches_C_T_W_P_n[:, :, place].flatten(2)
            torch.bmm(self.weight_C_D_T, patches_C_T_Pn, out=contributions_C_DPn[:C].view(C, D, P * n))
            torch.mm(self.mask_K_C, contributions_C_DPn, out=maps_K_DPn if place else pooled_K_DPn)
            if place:
                torch.maximum(pooled_K_DPn, maps_K_DPn, out=pooled_K_DPn)
        if self.relu:
            pooled_K_DPn.relu_()
        if self.linear is None:
            masked_K_D_Pn = pooled_K_DPn.view(K, D, P * n) * self.mask_K_D[:, :, None]
            return masked_K_D_Pn.view(K, D, height, width, n).permute(4, 0, 1, 2, 3).flatten(0, 1)
        output_K_H_n = torch.bmm(self.weight_K_H_F, pooled_K_DPn.view(K, D * P, n))
        return (output_K_H_n.permute(2, 0, 1) + _bias_of(self.linear)).flatten(0, 1)


def match(stages: Sequence[nn.Module], masks: Sequence[Tensor], wide: bool) -> FoldedConvolution | None:
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
    stages = stages[:num_stages]
    return WideFoldedConvolution(stages, masks) if wide else ThinnedFoldedConvolution(stages, masks, kept_K_H)


def _bias_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach()


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
