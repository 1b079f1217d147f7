import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bal_utils.data import digits, standardise
from bal_utils.models import MLP, GalCNN, KirschCNN
from bal_utils.runtime import stream
from bal_utils.sweep.lanes import Lanes, convolution
from bal_utils.training.fit import FitConfig, FitTask, initialised

CONFIG = FitConfig(epoch_samples=130, max_epochs=6, patience=2, learning_rate=3e-3)  # steps of 64, 64 and 2


def task(build, seed, *, size=20, config=CONFIG, images=None):
    images = standardise(digits().train_images) if images is None else images
    places = torch.randperm(len(images), generator=stream(seed, "places"))
    train, validation = places[:size], places[size : size + 100]
    labels = digits().train_labels
    return FitTask(
        model=initialised(build, seed),
        inputs=images[train],
        labels=labels[train],
        validation=(images[validation], labels[validation]),
        config=config,
        seed=seed,
    )


def without_dropout(model):
    for layer in model:
        if isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0
    return model


def run(tasks, num_lanes, most_labels=50):
    """Trains all tasks, as many at a time as there are lanes; the order in which they were done."""
    waiting, lanes, done = list(tasks), Lanes(tasks[0], num_lanes, most_labels), []
    while waiting or len(lanes.free()) < num_lanes:
        for number in lanes.free():
            if waiting:
                lanes.enter(number, waiting.pop(0))
        entered = {number: lane.task for number, lane in enumerate(lanes.lanes) if lane}
        done += [(entered[number], error) for number, error in lanes.train()]
    return done


def large(images):
    return F.interpolate(images, size=(16, 16))


@pytest.mark.slow
@pytest.mark.parametrize(("stop_on", "penalty"), [("nll", None), ("accuracy", None), ("never", 2.5)])
@pytest.mark.parametrize("build", [
    lambda: MLP(64, 10, hidden=(32,)), lambda: GalCNN(10, image_size=8), lambda: KirschCNN(10, image_size=16)],
    ids=["mlp", "gal", "kirsch"])  # fmt: skip
def test_every_network_comes_out_as_if_it_had_been_trained_alone(build, stop_on, penalty):
    config = FitConfig(
        epoch_samples=130,
        max_epochs=6,
        patience=2,
        learning_rate=3e-3,
        weight_decay=0.01,
        stop_on=stop_on,
        dense_penalty=penalty,
    )
    images = standardise(digits().train_images)
    images = large(images) if "Kirsch" in type(build()).__name__ else images
    tasks = [
        task(lambda: without_dropout(build()), seed, size=10 + 7 * seed, config=config, images=images)
        for seed in range(5)
    ]
    alone = copy.deepcopy(tasks)
    done = run(tasks, num_lanes=2)
    assert len(done) == 5 and all(error is None for _, error in done)
    for together, single in zip(tasks, alone, strict=True):
        single.fit()
        assert together.epochs == single.epochs and not together.model.training
        for mine, other in zip(together.model.parameters(), single.model.parameters(), strict=True):
            torch.testing.assert_close(
                mine, other, rtol=0, atol=2e-4
            )  # float32 sums in another order, 18 steps of Adam
    assert stop_on == "never" or len({one.epochs for one in tasks}) > 1  # or lanes would never have been out of step


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("build", [lambda: MLP(64, 10, hidden=(32,)), lambda: GalCNN(10, image_size=8)])
def test_a_cuda_graph_trains_as_fit_does(build, monkeypatch):
    """The recorded epoch, replayed, moves the weights as `fit` does: to within 30 % of the way that they go.

    Products of 10 bits are the reason: with them alone, `fit` ends up to 10 % of that way from where it ends with exact
    ones. What reads another lane's images, or steps wrongly, ends a whole way from there.
    """
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)  # as in the graph
    config = replace(CONFIG, stop_on="never", weight_decay=0.01, dense_penalty=2.5)
    tasks = [
        on_gpu(task(lambda: without_dropout(build()), seed, size=10 + 7 * seed, config=config)) for seed in (0, 1, 2)
    ]
    alone, start = copy.deepcopy(tasks), [weights_of(one) for one in tasks]
    assert [error for _, error in run(tasks, num_lanes=2)] == [None] * 3
    for together, single, before in zip(tasks, alone, start, strict=True):
        single.fit()
        assert together.epochs == single.epochs == config.max_epochs
        assert (weights_of(together) - weights_of(single)).norm() < 0.3 * (weights_of(single) - before).norm()


def on_gpu(one):
    validation = tuple(part.cuda() for part in one.validation)
    return replace(
        one, model=one.model.cuda(), inputs=one.inputs.cuda(), labels=one.labels.cuda(), validation=validation
    )


def weights_of(one):
    return torch.cat([parameter.detach().flatten() for parameter in one.model.parameters()])


def test_lanes_do_not_depend_on_their_neighbours():
    build = lambda: MLP(64, 10, hidden=(32,))  # noqa: E731
    weights = []
    for neighbours in ([], [7, 8, 9]):
        tasks = [task(build, seed) for seed in [*neighbours, 3]]
        run(tasks, num_lanes=2)
        weights.append(weights_of(tasks[-1]))
    torch.testing.assert_close(*weights, rtol=0, atol=1e-6)


def test_dropout_keeps_the_right_share_and_scales_it():
    one = task(lambda: KirschCNN(10, image_size=16), 0, images=large(standardise(digits().train_images)))
    lanes = Lanes(one, 2, 50)
    lanes.enter(1, one)
    lanes.train()
    assert [mask.shape[2:] for mask in lanes.masks_L_S] == [(32, 1, 1), (64, 1, 1), (128,)]
    for mask_L_S in lanes.masks_L_S:
        assert set(mask_L_S[1].unique().tolist()) == {0.0, 2.0} and not mask_L_S[0].any()
        assert mask_L_S[1].mean() == pytest.approx(1, abs=0.1)  # at least 4160 coins: five standard errors are 0.08


def test_convolution_is_pytorchs():
    generator = torch.Generator().manual_seed(0)
    layers = [nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1).requires_grad_(False) for _ in range(3)]
    images = torch.randn(3, 5, 4, 9, 8, generator=generator)
    expected = torch.stack([layer(one) for layer, one in zip(layers, images, strict=True)])
    own = (torch.stack([layer.weight for layer in layers]), torch.stack([layer.bias for layer in layers]))
    torch.testing.assert_close(convolution(images, layers[0], *own, []), expected, rtol=0, atol=1e-5)


def test_a_network_that_fails_leaves_and_the_others_go_on():
    build = lambda: MLP(64, 10, hidden=(32,))  # noqa: E731
    tasks = [task(build, seed) for seed in range(3)]
    tasks[1].inputs = tasks[1].inputs * torch.nan
    errors = {id(one): error for one, error in run(tasks, num_lanes=3)}
    assert isinstance(errors[id(tasks[1])], FloatingPointError)
    assert errors[id(tasks[0])] is errors[id(tasks[2])] is None


def test_wrong_tasks_are_refused():
    one_pass = FitConfig(max_epochs=2)
    with pytest.raises(ValueError, match="config: expected epoch_samples"):
        Lanes(task(lambda: MLP(64, 10), 0, config=one_pass), 2, 50)
    with pytest.raises(ValueError, match="config: expected precision None in lanes"):
        Lanes(task(lambda: MLP(64, 10), 0, config=replace(CONFIG, precision="bfloat16")), 2, 50)
    lanes = Lanes(task(lambda: MLP(64, 10), 0), 2, 50)
    with pytest.raises(ValueError, match="task: expected the configuration of these lanes"):
        lanes.enter(0, task(lambda: MLP(64, 10), 0, config=one_pass))
    with pytest.raises(ValueError, match="model: expected layers that lanes know, got Tanh"):
        Lanes(task(lambda: nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(64, 10)), 0), 2, 50).forward(
            torch.zeros(2, 1, 64)
        )
