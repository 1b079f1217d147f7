"""On a GPU: networks trained in lanes and one by one, a pool scored in half precision and in float32, BatchBALD's choice."""

from functools import partial

import torch
from measure import Race, Table, dropout_pool, race
from torch import Tensor

from bal_utils.acquisition import bald_scores
from bal_utils.batchbald import batchbald_batch
from bal_utils.models import GalCNN, KirschCNN
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream
from bal_utils.sweep.lanes import Lanes
from bal_utils.training.fit import FitConfig, FitTask, initialised

EPOCH = FitConfig(epoch_samples=5056, max_epochs=1)
NETWORKS = {"Gal CNN": GalCNN, "Kirsch CNN": KirschCNN}


def images(num_images: int, device: str) -> tuple[Tensor, Tensor]:
    """Noise with labels: only the clock is asked, not the network."""
    generator = stream(0, "benchmark images")
    labels_N = torch.randint(10, (num_images,), generator=generator)
    return torch.randn(num_images, 1, 28, 28, generator=generator).to(device), labels_N.to(device)


def task(build: type, device: str, seed: int = 0) -> FitTask:
    inputs, labels = images(400, device)
    network = initialised(build, seed).to(device)
    return FitTask(model=network, inputs=inputs[:200], labels=labels[:200], validation=(inputs[200:], labels[200:]),
                   config=EPOCH, seed=seed)  # fmt: skip


def finished(function, device: str):
    """The function, waiting for the GPU at its end."""

    def run():
        result = function()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return run


def training(table: Table, device: str) -> None:
    table.title("an epoch of 79 steps with 64 images, seconds a network; peer: one network, step by step")
    for name, build in NETWORKS.items():
        alone = finished(lambda build=build: task(build, device).fit(), device)
        alone()
        for num_lanes in (1, 6, 16, 32):
            lanes = Lanes(task(build, device), num_lanes, most_labels=200)
            run = race(table.clock, finished(lanes.run_epoch, device), alone, 3, 3)
            table.row(f"{name}, {num_lanes} lanes", Race(run.here / num_lanes, run.peer, None, None), None, True, "")


def scoring(table: Table, device: str, num_images: int) -> None:
    table.title(f"{num_images:,} images, K = 100, seconds; peer: float32")
    inputs, _ = images(num_images, device)
    for name, build in NETWORKS.items():
        trained = task(build, device)
        trained.fit()
        score = partial(sample_log_probs, trained.model, inputs, 100)
        half = partial(sample_log_probs, initialised(build, 0).to(device), inputs.half(), 100)
        half.args[0].load_state_dict(trained.model.state_dict())
        half.args[0].half()
        run = race(table.clock, finished(half, device), finished(score, device), 4, 4)
        worst = (bald_scores(run.result) - bald_scores(run.peer_result)).abs().max().item()
        table.row(f"{name}, float16", run, None, worst < 2e-3, f"BALD scores differ by {worst:.0e} nats at most")


def choosing(table: Table, device: str, num_inputs: int) -> None:
    table.title(f"BatchBALD from {num_inputs:,} inputs, K = 100, seconds; peer: a batch of 4")
    log_probs_N_K_C = dropout_pool(num_inputs).to(device)
    four = finished(lambda: batchbald_batch(log_probs_N_K_C, 4), device)
    for batch_size in (10, 40, 100):
        chosen = finished(lambda size=batch_size: batchbald_batch(log_probs_N_K_C, size), device)
        run = race(table.clock, chosen, four, 3, 3)
        table.row(f"b = {batch_size}", run, None, run.result.indices[:4] == run.peer_result.indices, "")


def measure_all(table: Table, device: str, num_images: int) -> None:
    training(table, device)
    scoring(table, device, num_images)
    choosing(table, device, num_images)
