"""Closed forms against brute force, SciPy, scikit-learn and numerical integration."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import BayesianRidge, Ridge

from bal_utils.runtime import stream
from bal_utils.theory.linear_regression import (
    BASES,
    Belief,
    gaussian_bumps,
    log_evidence,
    maximum_a_posteriori,
    maximum_likelihood,
    polynomial,
    posterior,
    predict,
    prior,
    update,
)

ALPHA, BETA = 1.7, 9.0
PRECISIONS = {"prior_precision": ALPHA, "noise_precision": BETA}
EXACT = {"rtol": 1e-9, "atol": 1e-12}  # float64, matrices of condition below a million


@pytest.fixture(params=[(12, 4, "polynomial"), (12, 4, "bumps"), (3, 6, "bumps"), (30, 1, "polynomial")])
def problem(request):
    """Features and targets, also with fewer data than features."""
    num_inputs, num_features, basis = request.param
    rng = np.random.default_rng(num_inputs)
    inputs_N = rng.uniform(-1, 1, num_inputs)
    return BASES[basis](inputs_N, num_features), np.sin(3 * inputs_N) + 0.3 * rng.normal(size=num_inputs)


def test_polynomial_is_powers_of_the_scaled_input():
    features_N_D = polynomial(np.array([2.0, 4.0, 6.0, 5.0]), 4, low=2, high=6)
    np.testing.assert_allclose(features_N_D, [[1, -1, 1, -1], [1, 0, 0, 0], [1, 1, 1, 1], [1, 0.5, 0.25, 0.125]])


def test_bumps_peak_at_their_centres_and_fall_as_a_bell():
    features_N_D = gaussian_bumps(np.array([-2.0, 0.0, 2.0, 1.0]), 4, low=-2, high=2)
    np.testing.assert_allclose(features_N_D[:, 0], 1)
    np.testing.assert_allclose(features_N_D[:3, 1:].diagonal(), 1)
    width = 4 / 3
    np.testing.assert_allclose(features_N_D[3, 1:], norm.pdf([3, 1, -1], scale=width) / norm.pdf(0, scale=width))


@pytest.mark.parametrize("basis", BASES.values())
@pytest.mark.parametrize("num_features", [1, 2, 9])
def test_bases_have_the_shape_asked_for_and_begin_with_a_constant(basis, num_features):
    features_N_D = basis(np.linspace(-3, 3, 5), num_features)
    assert features_N_D.shape == (5, num_features) and (features_N_D[:, 0] == 1).all()
    assert basis(np.empty(0), num_features).shape == (0, num_features)


def test_a_single_bump_stands_in_the_middle():
    assert gaussian_bumps(np.array([3.0]), 2, low=2, high=4)[0, 1] == 1


def test_maximum_likelihood_is_least_squares():
    inputs_N = np.linspace(-1, 1, 9)
    targets_N = np.cos(inputs_N)
    np.testing.assert_allclose(
        maximum_likelihood(polynomial(inputs_N, 3), targets_N), np.polyfit(inputs_N, targets_N, 2)[::-1], **EXACT
    )


def test_maximum_likelihood_takes_the_shortest_of_many_perfect_fits():
    np.testing.assert_allclose(maximum_likelihood([[3.0, 4.0]], [5.0]), [0.6, 0.8], **EXACT)


def test_map_is_scikit_learns_ridge(problem):
    features_N_D, targets_N = problem
    ridge = Ridge(alpha=ALPHA / BETA, fit_intercept=False, solver="cholesky").fit(features_N_D, targets_N)
    np.testing.assert_allclose(maximum_a_posteriori(features_N_D, targets_N, **PRECISIONS), ridge.coef_, **EXACT)


def test_map_is_the_summit_of_likelihood_times_prior(problem):
    features_N_D, targets_N = problem

    def negative_log_density(weights_D):
        log_likelihood = norm.logpdf(targets_N, features_N_D @ weights_D, BETA**-0.5).sum()
        return -log_likelihood - norm.logpdf(weights_D, 0, ALPHA**-0.5).sum()

    found = minimize(negative_log_density, np.zeros(features_N_D.shape[1]), method="BFGS", options={"gtol": 1e-7})
    # BFGS stops when the gradient is small: 1e-5 is ten times what that leaves
    np.testing.assert_allclose(maximum_a_posteriori(features_N_D, targets_N, **PRECISIONS), found.x, atol=1e-5)


def test_posterior_mean_is_map_and_a_grid_agrees_on_the_rest():
    inputs_N, targets_N = np.array([-0.5, 0.1, 0.8]), np.array([0.2, -0.4, 0.9])
    features_N_D = polynomial(inputs_N, 2)
    belief = posterior(features_N_D, targets_N, **PRECISIONS)
    np.testing.assert_allclose(belief.mean_D, maximum_a_posteriori(features_N_D, targets_N, **PRECISIONS), **EXACT)

    side = np.linspace(-5, 5, 801)
    weights_K_2 = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_density_K = norm.logpdf(targets_N, weights_K_2 @ features_N_D.T, BETA**-0.5).sum(axis=1)
    log_density_K += norm.logpdf(weights_K_2, 0, ALPHA**-0.5).sum(axis=1)
    probs_K = np.exp(log_density_K - log_density_K.max())
    probs_K /= probs_K.sum()
    mean_D = probs_K @ weights_K_2
    # sums over a grid this fine are exact for a normal density that ends within it: 1e-8 is rounding
    np.testing.assert_allclose(belief.mean_D, mean_D, atol=1e-8)
    np.testing.assert_allclose(
        belief.covariance_D_D, (weights_K_2 - mean_D).T @ (probs_K[:, None] * (weights_K_2 - mean_D)), atol=1e-8
    )


def test_posterior_is_scikit_learns_bayesian_ridge_at_its_own_precisions(problem):
    features_N_D, targets_N = problem
    model = BayesianRidge(fit_intercept=False, max_iter=1, alpha_init=BETA, lambda_init=ALPHA).fit(
        features_N_D, targets_N
    )
    belief = posterior(features_N_D, targets_N, prior_precision=model.lambda_, noise_precision=model.alpha_)
    np.testing.assert_allclose(belief.mean_D, model.coef_, rtol=1e-6, atol=1e-9)  # its own path to the inverse
    np.testing.assert_allclose(belief.covariance_D_D, model.sigma_, rtol=1e-6, atol=1e-9)


def test_one_by_one_in_any_order_equals_all_at_once(problem):
    features_N_D, targets_N = problem
    batch = posterior(features_N_D, targets_N, **PRECISIONS)
    for order in (range(len(targets_N)), np.random.default_rng(0).permutation(len(targets_N))):
        belief = prior(features_N_D.shape[1], prior_precision=ALPHA)
        for n in order:
            belief = update(belief, features_N_D[[n]], targets_N[[n]], noise_precision=BETA)
        np.testing.assert_allclose(belief.mean_D, batch.mean_D, **EXACT)
        np.testing.assert_allclose(belief.covariance_D_D, batch.covariance_D_D, **EXACT)


def test_no_data_leave_the_prior():
    belief = posterior(np.empty((0, 3)), np.empty(0), **PRECISIONS)
    np.testing.assert_allclose(belief.mean_D, 0)
    np.testing.assert_allclose(belief.covariance_D_D, np.eye(3) / ALPHA)


def test_draws_have_the_belief_s_moments_and_repeat():
    belief = Belief(mean_D=np.array([1.0, -2.0]), covariance_D_D=np.array([[2.0, 0.9], [0.9, 0.5]]))
    weights_K_D = belief.draw(100_000, stream(0, "test"))
    # standard errors: 0.0045 for the means, 0.009 for the largest covariance; four of them
    np.testing.assert_allclose(weights_K_D.mean(axis=0), belief.mean_D, atol=0.018)
    np.testing.assert_allclose(np.cov(weights_K_D.T), belief.covariance_D_D, atol=0.036)
    np.testing.assert_array_equal(belief.draw(3, stream(0, "again")), belief.draw(3, stream(0, "again")))


def test_prediction_integrates_the_weights_out():
    """One weight: the predictive density by numerical integration over it."""
    belief = Belief(mean_D=np.array([0.7]), covariance_D_D=np.array([[0.3]]))
    prediction = predict(belief, [[2.0]], noise_precision=4.0)
    for target in (0.0, 1.5, 4.0):
        density = quad(lambda w, y=target: norm.pdf(y, 2 * w, 0.5) * norm.pdf(w, 0.7, math.sqrt(0.3)), -6, 8)[0]
        assert norm.pdf(target, prediction.mean_N[0], prediction.std_N[0]) == pytest.approx(density, rel=1e-8)


def test_prediction_keeps_noise_and_ignorance_apart(problem):
    features_N_D, targets_N = problem
    belief = posterior(features_N_D, targets_N, **PRECISIONS)
    prediction = predict(belief, features_N_D, noise_precision=BETA)
    assert prediction.noise_variance == pytest.approx(1 / BETA)
    assert (prediction.epistemic_variance_N <= predict(prior(len(belief.mean_D), prior_precision=ALPHA), features_N_D,
                                                       noise_precision=BETA).epistemic_variance_N + 1e-12).all()  # fmt: skip
    np.testing.assert_allclose(prediction.std_N**2 - prediction.epistemic_variance_N, 1 / BETA)


def test_evidence_is_the_marginal_density_of_the_targets(problem):
    features_N_D, targets_N = problem
    covariance_N_N = features_N_D @ features_N_D.T / ALPHA + np.eye(len(targets_N)) / BETA
    expected = multivariate_normal.logpdf(targets_N, np.zeros(len(targets_N)), covariance_N_N)
    assert log_evidence(features_N_D, targets_N, **PRECISIONS) == pytest.approx(expected, rel=1e-9)


def test_evidence_is_the_score_of_predicting_each_target_before_seeing_it(problem):
    features_N_D, targets_N = problem
    belief, total = prior(features_N_D.shape[1], prior_precision=ALPHA), 0.0
    for n in range(len(targets_N)):
        prediction = predict(belief, features_N_D[[n]], noise_precision=BETA)
        total += norm.logpdf(targets_N[n], prediction.mean_N[0], prediction.std_N[0])
        belief = update(belief, features_N_D[[n]], targets_N[[n]], noise_precision=BETA)
    assert log_evidence(features_N_D, targets_N, **PRECISIONS) == pytest.approx(total, rel=1e-9)


def test_evidence_is_scikit_learns_score(problem):
    features_N_D, targets_N = problem
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    model = BayesianRidge(
        fit_intercept=False, compute_score=True, alpha_init=BETA, lambda_init=ALPHA, max_iter=2, **flat
    )
    score = model.fit(features_N_D, targets_N).scores_[0]
    assert log_evidence(features_N_D, targets_N, **PRECISIONS) == pytest.approx(score, rel=1e-9)


def test_evidence_of_nothing_is_certain():
    assert log_evidence(np.empty((0, 3)), np.empty(0), **PRECISIONS) == pytest.approx(0, abs=1e-12)


def test_the_posterior_contracts_as_one_over_n():
    """N·S tends to σ² E[φφᵀ]⁻¹: with inputs spread evenly over [-1, 1] that is σ² diag(1, 3)."""
    for count in (1_000, 10_000):
        features_N_D = polynomial(np.linspace(-1, 1, count), 2)
        covariance_D_D = posterior(features_N_D, np.zeros(count), **PRECISIONS).covariance_D_D
        np.testing.assert_allclose(count * BETA * covariance_D_D, np.diag([1, 3]), atol=10 / count)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: polynomial(np.zeros((2, 1)), 2), "inputs_N"),
        (lambda: polynomial(np.zeros(2), 0), "num_features"),
        (lambda: gaussian_bumps(np.zeros(2), 3, low=1, high=1), "low, high"),
        (lambda: maximum_likelihood(np.zeros(3), np.zeros(3)), "features_N_D"),
        (lambda: posterior(np.zeros((3, 2)), np.zeros(2), **PRECISIONS), "targets_N"),
        (lambda: posterior(np.zeros((3, 2)), np.zeros((3, 1)), **PRECISIONS), "targets_N"),
        (lambda: prior(2, prior_precision=0), "prior_precision"),
        (lambda: maximum_a_posteriori([[1.0]], [1.0], prior_precision=-1, noise_precision=1), "prior_precision"),
        (lambda: log_evidence([[1.0]], [1.0], prior_precision=1, noise_precision=math.nan), "noise_precision"),
        (lambda: predict(prior(1, prior_precision=1), [[1.0]], noise_precision=math.inf), "noise_precision"),
        (lambda: update(prior(1, prior_precision=1), [[1.0]], [1.0], noise_precision=0), "noise_precision"),
    ],
)
def test_errors_name_the_argument(call, named):
    with pytest.raises(ValueError, match=f"{named}.*expected"):
        call()
