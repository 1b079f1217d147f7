"""The last layer is the maximum and the curvature that others find, and its draws have that spread."""

import pytest
import torch
from sklearn.decomposition import PCA

from bal_course.frozen import fit_last_layer, principal_features, slice_samples
from bal_utils.posteriors.laplace import fit_laplace
from bal_utils.runtime import stream


def problem():
    generator = stream(0, "features")
    features_L_D = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    return features_L_D, torch.randint(3, (30,), generator=generator)


def test_it_is_the_laplace_approximation_of_softmax_regression():
    features_L_D, labels_L = problem()

    def log_density(weights_w):
        log_probs_L_C = (features_L_D @ weights_w.view(3, 4).mT).log_softmax(dim=1)
        return log_probs_L_C[torch.arange(30), labels_L].sum() - (weights_w**2).sum() / (2 * 1.5**2)

    mean_w, covariance_w_w = fit_laplace(log_density, torch.zeros(12, dtype=torch.float64))
    layer = fit_last_layer(features_L_D, labels_L, 3, prior_std=1.5)
    torch.testing.assert_close(layer.mean_C_D.flatten(), mean_w, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cholesky_inverse(layer.factor_w_w), covariance_w_w, atol=1e-5, rtol=1e-4)


def test_another_start_ends_at_the_same_weights():
    features_L_D, labels_L = problem()
    far = 5 * torch.ones(3, 4, dtype=torch.float64) * torch.arange(3)[:, None]
    cold, warm = (fit_last_layer(features_L_D, labels_L, 3, start=start) for start in (None, far))
    torch.testing.assert_close(cold.mean_C_D, warm.mean_C_D, atol=1e-5, rtol=0)


def test_draws_spread_as_the_posterior_does():
    features_L_D, labels_L = problem()
    layer = fit_last_layer(features_L_D, labels_L, 3)
    log_probs_N_K_C = layer.sample_log_probs(features_L_D[:1], 40_000, generator=stream(0, "draws"))
    torch.testing.assert_close(log_probs_N_K_C.exp().sum(-1), torch.ones(1, 40_000, dtype=torch.float64))
    difference_K = log_probs_N_K_C[0, :, 0] - log_probs_N_K_C[0, :, 1]  # of two logits: Gaussian
    row_w = torch.cat([features_L_D[0], -features_L_D[0], torch.zeros(4, dtype=torch.float64)])
    variance = row_w @ torch.cholesky_inverse(layer.factor_w_w) @ row_w
    assert abs(difference_K.var() / variance - 1) < 0.03
    assert abs(difference_K.mean() - row_w @ layer.mean_C_D.flatten()) < 4 * (variance / 40_000) ** 0.5


def test_slice_samples_are_those_of_the_posterior_by_quadrature():
    """Two weights, three labels: a posterior that a grid holds."""
    features_L_D, labels_L = torch.tensor([[1.0], [1.0], [-0.5]], dtype=torch.float64), torch.tensor([1, 1, 0])
    axis_G = torch.linspace(-12, 12, 481, dtype=torch.float64)
    weights_G_2 = torch.cartesian_prod(axis_G, axis_G)
    log_probs_G_L_C = (weights_G_2[:, None] * features_L_D[None]).log_softmax(dim=-1)
    height_G = log_probs_G_L_C[:, [0, 1, 2], labels_L].sum(dim=1) - (weights_G_2**2).sum(dim=1) / (2 * 2.0**2)
    mass_G = height_G.softmax(dim=0)
    chain = slice_samples(features_L_D, labels_L, 2, 1000, prior_std=2.0, between=5, generator=stream(0, "chain"))
    drawn_K_2 = chain.squeeze(-1)
    mean_2 = mass_G @ weights_G_2
    spread_2_2 = (weights_G_2 - mean_2).mT @ (mass_G[:, None] * (weights_G_2 - mean_2))
    error_2 = 4 * spread_2_2.diagonal().sqrt() / 1000**0.5
    assert ((drawn_K_2.mean(dim=0) - mean_2).abs() < error_2).all()
    torch.testing.assert_close(torch.cov(drawn_K_2.mT), spread_2_2, atol=0.5, rtol=0)
    layer = fit_last_layer(features_L_D, labels_L, 2, prior_std=2.0)
    assert ((layer.mean_C_D.flatten() - mean_2).abs() > error_2).any(), (
        "the mode is another place, which the test can tell"
    )


def test_features_are_principal_components_of_one_scale_and_a_constant():
    images_N = torch.randint(256, (50, 1, 4, 4), generator=stream(0, "images")).to(torch.uint8)
    features, others = principal_features(images_N, images_N[:5], 3)
    torch.testing.assert_close(features[:5], others)
    expected = torch.from_numpy(PCA(3).fit_transform(images_N.flatten(1).double().numpy()))
    ratio = features[:, :3].abs() / expected.abs()
    torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))
    assert (features[:, 3] == 1).all() and abs((features[:, :3] ** 2).sum(1).mean() - 1) < 1e-9


def test_bad_input_is_named():
    features_L_D, labels_L = problem()
    with pytest.raises(ValueError, match="features_L_D: expected a row for each of 29 labels"):
        fit_last_layer(features_L_D, labels_L[1:], 3)
    with pytest.raises(ValueError, match="prior_std: expected a positive number, got 0"):
        fit_last_layer(features_L_D, labels_L, 3, prior_std=0)
    with pytest.raises(ValueError, match="size: expected from 1 to 2, got 3"):
        principal_features(torch.zeros(2, 1, 2, 2), torch.zeros(1, 1, 2, 2), 3)
