"""Scoring images with K dropout masks here, against K plain passes and the peers' way, the inputs expanded K times.

The plain passes and batchbald_redux's network get the masks that are used here, so that all outputs can be compared.
baal draws masks of its own for every image: its time counts, its outputs cannot be compared.
"""

import copy
from collections.abc import Callable

import torch
from baal.bayesian.dropout import patch_module
from baal.modelwrapper import ModelWrapper, TrainingArgs
from batchbald_redux.consistent_mc_dropout import BayesianModule, ConsistentMCDropout, ConsistentMCDropout2d
from measure import Table, peak_memory, race
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from bal_utils.models import GalCNN, KirschCNN
from bal_utils.posteriors.masked.masks import draw_masks, dropout_calls, trace
from bal_utils.posteriors.mc_dropout import predict_log_probs, sample_log_probs
from bal_utils.runtime import stream

K = 100
PEER_BATCH = 16  # images: expanded 100 times, their first feature maps take 120 MB
TOLERANCE = 1e-5  # nats
ALLOWANCE = 64  # MiB; what an allocator may keep


class Masked(nn.Module):
    """Multiplies by a mask that is put into it."""

    mask: Tensor

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden * self.mask


def with_layers(model: nn.Sequential, replace: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """A copy with other modules for its dropout layers."""
    layers = [replace(layer) if isinstance(layer, nn.Dropout | nn.Dropout2d) else layer for layer in model]
    return nn.Sequential(*copy.deepcopy(layers)).eval()


def plain_passes(model: nn.Sequential, masks: list[Tensor]) -> Callable[[Tensor], Tensor]:
    masked = with_layers(model, lambda layer: Masked())
    layers = [layer for layer in masked if isinstance(layer, Masked)]

    @torch.no_grad()
    def score(images: Tensor) -> Tensor:
        passes = []
        for masks_of_sample in zip(*masks, strict=True):
            for layer, mask in zip(layers, masks_of_sample, strict=True):
                layer.mask = mask
            passes.append(torch.cat([masked(part) for part in images.split(K * PEER_BATCH)]))
        return torch.stack(passes, dim=1).log_softmax(dim=-1)

    return score


class Expanded(BayesianModule):
    """A network as batchbald_redux's examples have it: every layer sees each input K times."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def mc_forward_impl(self, mc_input_BK: Tensor) -> Tensor:
        return self.layers(mc_input_BK)


def redux(model: nn.Sequential, masks: list[Tensor]) -> Callable[[Tensor], Tensor]:
    kinds = {nn.Dropout: ConsistentMCDropout, nn.Dropout2d: ConsistentMCDropout2d}
    network = Expanded(with_layers(model, lambda layer: kinds[type(layer)](layer.p))).eval()
    layers = [layer for layer in network.layers if isinstance(layer, tuple(kinds.values()))]
    for layer, mask in zip(layers, masks, strict=True):
        layer.mask = (mask == 0)[None]  # true where it drops

    @torch.no_grad()
    def score(images: Tensor) -> Tensor:
        return torch.cat([network(part, K) for part in images.split(PEER_BATCH)]).log_softmax(dim=-1)

    return score


def baal(model: nn.Sequential, masks: list[Tensor]) -> Callable[[Tensor], None]:
    wrapper = ModelWrapper(
        patch_module(model, inplace=False), TrainingArgs(batch_size=PEER_BATCH, use_cuda=False, workers=0)
    )

    def score(images: Tensor) -> None:
        dataset = TensorDataset(images, torch.zeros(len(images)))
        wrapper.predict_on_dataset(dataset, iterations=K, verbose=False)

    return score


def compare_all(table: Table, num_images: int, rounds: int, peer_rounds: int) -> None:
    table.title(f"Scoring {num_images} images with K={K} masks")
    images = torch.rand(num_images, 1, 28, 28, generator=stream(0, "images"))
    for name, model in (("Kirsch CNN", KirschCNN().eval()), ("Gal CNN", GalCNN().eval())):
        with torch.no_grad():
            masks = draw_masks(dropout_calls(model, trace(model, images[:1])), K, stream(0, "masks"))

        def here(model: nn.Module = model) -> Tensor:
            return sample_log_probs(model, images, K)

        here()
        for peer, make in (("K plain passes", plain_passes), ("batchbald_redux", redux), ("baal", baal)):
            score = make(model, masks)
            run = race(table.clock, here, lambda score=score: score(images), rounds, peer_rounds)
            target = 6 if peer == "K plain passes" else 30 if name == "Kirsch CNN" else None
            if run.peer_result is None:
                table.row(f"{name}, {peer}", run, target, True, "masks of its own")
                continue
            difference = (run.result - run.peer_result).abs().max().item()
            table.row(f"{name}, {peer}", run, target, difference < TOLERANCE, f"outputs differ by {difference:.0e}")


def memory(table: Table, num_images: int) -> None:
    """Peak memory of scoring few images and four times as many."""
    print(f"\nMemory of scoring, K={K}")
    for name, model in (("Kirsch CNN", KirschCNN()), ("Gal CNN", GalCNN())):
        peaks = []
        for size in (num_images, 4 * num_images):
            images = torch.rand(size, 1, 28, 28, generator=stream(0, "images"))
            with peak_memory() as extra:
                predict_log_probs(model, images, K)
            peaks.append(extra())
        remark = f"{num_images} images: {peaks[0]:.0f} MiB extra; {4 * num_images}: {peaks[1]:.0f} MiB"
        table.check(name, peaks[1] < peaks[0] + ALLOWANCE, remark)
