"""The gradients that are written out, against autograd, `training.fit` and `torch.optim.Adam`."""

import pytest
import torch
from torch import nn

from bal_course.explorers.moons_training import (
    LEARNING_RATE,
    STEPS,
    as_network,
    dropout_masks,
    forward,
    predictor,
    train,
)
from bal_utils.models import MLP
from bal_utils.training.fit import FitConfig, fit, initialised

HIDDEN = (32, 32)
INPUTS_L_2 = torch.randn(9, 2, generator=torch.Generator().manual_seed(1))
LABELS_L = (INPUTS_L_2[:, 0] * INPUTS_L_2[:, 1] > 0).long()
PLACES_n_2 = torch.randn(50, 2, generator=torch.Generator().manual_seed(2))
EVEN_1_L = torch.full((1, 9), 1 / 9)


def network(seed, dropout=0.0):
    return initialised(lambda: MLP(2, 2, hidden=HIDDEN, dropout=dropout), seed)


def fitted(seed, dropout=0.0, weight_decay=1e-4):
    model = network(seed, dropout)
    config = FitConfig(
        learning_rate=LEARNING_RATE, batch_size=len(LABELS_L), max_epochs=STEPS, weight_decay=weight_decay
    )
    fit(model, INPUTS_L_2, LABELS_L, config=config, seed=seed)
    return model


@pytest.mark.parametrize(("dropout", "weight_decay"), [(0.0, 1e-4), (0.2, 1e-4), (0.6, 0.05)])
def test_a_network_comes_out_as_from_fit(dropout, weight_decay):
    masks = dropout_masks(9, HIDDEN, dropout, seed=4)
    layers = train(
        [network(4, dropout)],
        INPUTS_L_2[None],
        LABELS_L[None],
        EVEN_1_L,
        weight_decay=weight_decay,
        masks_T_2_L_H=masks,
    )
    expected = fitted(4, dropout, weight_decay)(PLACES_n_2).softmax(dim=-1)
    torch.testing.assert_close(predictor(layers)(PLACES_n_2[None])[0].exp(), expected, atol=1e-3, rtol=0)
    again = as_network(network(0, dropout), layers)
    torch.testing.assert_close(again(PLACES_n_2).softmax(dim=-1), expected, atol=1e-3, rtol=0)


def test_networks_side_by_side_do_not_touch_each_other():
    both = train(
        [network(4), network(5)],
        torch.stack([INPUTS_L_2, INPUTS_L_2.flip(0)]),
        torch.stack([LABELS_L, 1 - LABELS_L.flip(0)]),
        EVEN_1_L.expand(2, -1),
    )
    alone = train([network(4)], INPUTS_L_2[None], LABELS_L[None], EVEN_1_L)
    places = PLACES_n_2.expand(2, -1, -1)
    torch.testing.assert_close(predictor(both)(places)[0], predictor(alone)(places[:1])[0], atol=1e-3, rtol=1e-3)


def test_a_point_without_a_share_teaches_nothing():
    padded = torch.cat([INPUTS_L_2, torch.full((3, 2), 7.0)])[None]
    labels, shares = (
        torch.cat([LABELS_L, torch.ones(3, dtype=torch.long)])[None],
        torch.cat([EVEN_1_L[0], torch.zeros(3)])[None],
    )
    with_pads = predictor(train([network(4)], padded, labels, shares))(PLACES_n_2[None])
    without = predictor(train([network(4)], INPUTS_L_2[None], LABELS_L[None], EVEN_1_L))(PLACES_n_2[None])
    torch.testing.assert_close(with_pads, without, atol=1e-3, rtol=1e-3)


def test_masks_drop_the_given_share_and_keep_the_mean():
    masks = dropout_masks(20, HIDDEN, 0.25, seed=1)
    assert masks.shape == (STEPS, 2, 20, 32)
    assert masks.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
    assert masks.mean() == pytest.approx(1, abs=0.01)
    assert dropout_masks(20, HIDDEN, 0.0, seed=1) is None


def test_hidden_layers_are_those_of_the_module():
    layers = [part.detach()[None] for part in network(3).parameters()]
    hidden_1, hidden_2, outputs = forward(layers, PLACES_n_2[None])
    model = network(3).eval()
    torch.testing.assert_close(hidden_1[0], nn.Sequential(*list(model)[:4])(PLACES_n_2).detach())
    torch.testing.assert_close(hidden_2[0], nn.Sequential(*list(model)[:7])(PLACES_n_2).detach())
    torch.testing.assert_close(outputs[0], model(PLACES_n_2).detach())


def test_no_random_state_is_moved():
    before = torch.random.get_rng_state()
    dropout_masks(9, HIDDEN, 0.5, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
