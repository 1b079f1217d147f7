"""Fit q: the numbers against closed forms and a plain grid, the handles, the optimiser, and what the sentences say."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from bal_course.explorers.fit_q import (
    CENTRE,
    FIRST,
    P_OVER_Q,
    Q_OVER_P,
    SECOND,
    START,
    TARGETS,
    FitQ,
    FitQState,
    as_q,
    divergence,
    elbo,
    log_joint,
    mean_and_scale,
    number,
    on_grid,
    one_step,
    uphill,
    upright,
)
from bal_scenes.base import Event
from bal_scenes.canvas import packed
from bal_utils.theory.divergence import gaussian_kl

SOME_Q = (0.4, -0.3, 0.9, 0.5, 35.0)
CORRELATED = torch.tensor([[1.69, 1.521], [1.521, 1.69]], dtype=torch.float64)


def gaussian(q):
    mean_2, scale_2_2 = mean_and_scale(q)
    return torch.from_numpy(mean_2), torch.from_numpy(scale_2_2 @ scale_2_2.T)


def grid_kl(q, name, direction):
    """The divergence by brute force: both densities on one grid, added up."""
    x, y = np.arange(-7, 7, 0.04), np.arange(-7, 33, 0.04)
    places_G_2 = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    log_q_G = MultivariateNormal(*gaussian(q)).log_prob(torch.from_numpy(places_G_2)).numpy()
    log_p_G = log_joint(name, places_G_2)
    log_p_G = log_p_G - np.logaddexp.reduce(log_p_G) - 2 * math.log(0.04)
    first, second = (log_q_G, log_p_G) if direction == Q_OVER_P else (log_p_G, log_q_G)
    return float(np.sum(np.exp(first) * (first - second)) * 0.04**2)


def settled(**state):
    explorer = FitQ(FitQState(**state))
    for _ in range(10):
        explorer.press("ten_steps")
    assert "The optimiser stops here" in explorer.status
    return explorer


def test_log_evidence_is_that_of_the_integrals_done_by_hand():
    assert math.isclose(on_grid("correlated").log_evidence, math.log(2 * math.pi) + CORRELATED.logdet().item() / 2)
    assert math.isclose(on_grid("banana").log_evidence, math.log(2 * math.pi * 1.2 * 0.5), rel_tol=1e-6)
    assert math.isclose(on_grid("two bumps").log_evidence, math.log(2 * math.pi * 0.6**2))


def test_moments_and_entropy_of_the_correlated_target():
    target = on_grid("correlated")
    np.testing.assert_allclose(target.covariance_2_2, CORRELATED, atol=1e-9)
    expected = MultivariateNormal(torch.zeros(2).double(), CORRELATED).entropy().item()
    assert math.isclose(target.entropy, expected, abs_tol=1e-6)  # the grid ends at six standard deviations


def test_moments_of_the_banana():
    target = on_grid("banana")  # y = 0.7 x² - 1.2 + 0.5 ε with x ~ N(0, 1.2²)
    np.testing.assert_allclose(target.mean_2, (0.0, 0.7 * 1.2**2 - 1.2), atol=1e-5)
    np.testing.assert_allclose(np.diag(target.covariance_2_2), (1.2**2, 0.7**2 * 2 * 1.2**4 + 0.5**2), rtol=1e-4)


@pytest.mark.parametrize("direction", [Q_OVER_P, P_OVER_Q])
def test_divergences_against_the_formula_for_gaussians(direction):
    pair = (*gaussian(SOME_Q), torch.zeros(2).double(), CORRELATED)
    expected = gaussian_kl(*(pair if direction == Q_OVER_P else pair[2:] + pair[:2])).item()
    assert math.isclose(divergence(SOME_Q, "correlated", direction), expected, abs_tol=1e-6)


@pytest.mark.parametrize("direction", [Q_OVER_P, P_OVER_Q])
@pytest.mark.parametrize("name", TARGETS)
def test_divergences_against_a_grid(name, direction):
    assert math.isclose(divergence(SOME_Q, name, direction), grid_kl(SOME_Q, name, direction), abs_tol=1e-4)


def test_the_gap_is_what_is_missing_from_the_elbo():
    for name in TARGETS:
        total = elbo(SOME_Q, name) + grid_kl(SOME_Q, name, Q_OVER_P)
        assert math.isclose(total, on_grid(name).log_evidence, abs_tol=1e-4)


@pytest.mark.parametrize("mean_field", [False, True])
@pytest.mark.parametrize("direction", [Q_OVER_P, P_OVER_Q])
@pytest.mark.parametrize("name", TARGETS)
def test_uphill_is_the_gradient_and_a_step_lowers_the_divergence(name, direction, mean_field):
    q = SOME_Q[:4] + ((0.0,) if mean_field else SOME_Q[4:])
    shift_2, stretch_2_2 = uphill(q, name, direction, mean_field)
    mean_2, scale_2_2 = mean_and_scale(q)

    def height(mean_2, scale_2_2):
        return -divergence(as_q(mean_2, scale_2_2, q[4]), name, direction)

    for axis in range(2):
        step_2 = 0.02 * scale_2_2[:, axis]
        slope = (height(mean_2 + step_2, scale_2_2) - height(mean_2 - step_2, scale_2_2)) / 0.04
        assert math.isclose(slope, shift_2[axis], rel_tol=0.03, abs_tol=0.02)  # central difference, q rounded to 1e-4
        wider, narrower = np.ones(2), np.ones(2)
        wider[axis], narrower[axis] = math.exp(0.02), math.exp(-0.02)
        slope = (height(mean_2, scale_2_2 * wider) - height(mean_2, scale_2_2 * narrower)) / 0.04
        assert math.isclose(slope, stretch_2_2[axis, axis], rel_tol=0.03, abs_tol=0.02)
    moved = one_step(q, name, direction, mean_field)
    assert divergence(moved, name, direction) < divergence(q, name, direction)
    assert not mean_field or moved[4] == 0


def test_the_optimiser_finds_the_correlated_target():
    q = settled().state.q
    np.testing.assert_allclose(gaussian(q)[1], CORRELATED, atol=0.05)  # it stops at slopes of 0.01
    assert "gap 0.00" in settled().status


def test_mean_field_stops_at_the_conditional_widths():
    explorer = settled(mean_field=True, rotation=30.0)
    precision = torch.linalg.inv(CORRELATED)[0, 0].item()
    np.testing.assert_allclose(explorer.state.q[2:], (precision**-0.5, precision**-0.5, 0.0), atol=0.01)
    assert math.isclose(explorer.divergences()[Q_OVER_P], -0.5 * math.log(1 - 0.9**2), abs_tol=0.005)


def test_two_bumps_have_three_answers_one_way_and_one_the_other_way():
    starts, gaps = [(-1.6, -0.8), (1.6, 0.8), (-0.3, 0.0)], []
    for start in starts:
        gaps.append(settled(target="two bumps", mean=start, first=1.0, second=1.0).divergences()[Q_OVER_P])
        covering = settled(target="two bumps", mean=start, first=1.0, second=1.0, direction=P_OVER_Q)
        np.testing.assert_allclose(covering.state.q[:2], on_grid("two bumps").mean_2, atol=0.02)
    np.testing.assert_allclose(gaps[:2], [-math.log(0.65), -math.log(0.35)], atol=0.01)  # the bump that is left out
    assert gaps[0] < gaps[2] < gaps[1]


def drag(explorer, point, x, y):
    for kind in ("drag", "drop"):
        explorer.dispatch(Event(kind=kind, panel=0, point=point, x=x, y=y))


def test_handles_move_turn_and_stretch():
    explorer = FitQ()
    drag(explorer, CENTRE, 1.0, 0.5)
    assert explorer.state.mean == (1.0, 0.5)
    drag(explorer, FIRST, 1.0, 2.5)
    assert (explorer.state.first, abs(explorer.state.rotation)) == (1.0, 90.0)
    drag(explorer, SECOND, -1.0, 3.0)  # only the part across the first axis counts
    assert (explorer.state.second, explorer.state.first) == (1.0, 1.0)
    assert len(explorer.state.path) == 4 and explorer.state.path[-1] == explorer.state.q
    explorer.undo()
    assert explorer.state.second == FitQState().second


def test_a_mean_field_q_does_not_turn():
    explorer = FitQ(FitQState(mean_field=True))
    x, y = explorer.state.mean
    drag(explorer, FIRST, x + 3.0, y + 3.0)
    assert explorer.state.q[2:] == (1.5, 0.5, 0.0)


def test_axes_stay_in_range():
    explorer = FitQ()
    drag(explorer, FIRST, *explorer.state.mean)
    assert explorer.state.first == 0.1
    drag(explorer, SECOND, 4.0, 4.0)
    drag(explorer, FIRST, -4.0, -4.0)
    assert explorer.error is None and explorer.state.first <= 3.0 and explorer.state.second <= 3.0


@pytest.mark.parametrize("name", TARGETS)
def test_every_extreme_draws(name):
    explorer = FitQ(FitQState(target=name))
    for first, second, rotation in ((0.1, 0.1, -90.0), (3.0, 3.0, 90.0), (3.0, 0.1, 45.0)):
        for mean in ((-4.0, -4.0), (4.0, 4.0)):
            explorer.set(first=first, second=second, rotation=rotation, mean=mean)
            assert explorer.error is None
            explorer.press("step")
            assert explorer.error is None and "nats" in explorer.status


def test_the_same_state_gives_the_same_scene_and_survives_as_text():
    explorer = settled(target="banana")
    again = FitQ()
    again.restore(explorer.state_as_text())
    assert again.state == explorer.state
    assert packed(again.scene) == packed(explorer.scene)


def test_long_paths_are_cut_and_the_status_adds_up():
    explorer = FitQ(FitQState(target="banana"))
    for _ in range(6):
        explorer.press("ten_steps")
    assert len(explorer.state.path) <= 30
    bound = number(on_grid("banana").log_evidence - explorer.divergences()[Q_OVER_P])
    assert f"ELBO {bound} " in explorer.status


@pytest.mark.parametrize(("field", "value"), [("target", "banana"), ("direction", P_OVER_Q), ("mean_field", True)])
def test_another_target_direction_or_family_begins_another_path(field, value):
    explorer = FitQ()
    explorer.press("ten_steps")
    q = explorer.state.q
    explorer.move(field, value)
    expected = (*q[:4], 0.0) if field == "mean_field" else q
    assert explorer.state.walk == (expected,) and explorer.state.steps == 0


def test_the_steps_that_play_are_those_of_the_buttons():
    pressed, played = FitQ(), FitQ()
    for _ in range(7):
        pressed.press("step")
    played.set(steps=7)
    by_hand = START
    for _ in range(7):
        by_hand = one_step(by_hand, "correlated", Q_OVER_P, mean_field=False)
    assert played.state.q == pressed.state.q == by_hand
    assert len(played.state.walk) == 8


def test_a_drag_after_steps_starts_where_they_ended():
    explorer = FitQ()
    explorer.set(steps=3)
    second = explorer.state.q[3]
    drag(explorer, CENTRE, 1.0, 0.5)
    assert explorer.state.steps == 0 and explorer.state.mean == (1.0, 0.5) and explorer.state.second == second
    assert len(explorer.state.walk) == 5
    explorer.undo()
    assert explorer.state.steps == 3 and len(explorer.state.walk) == 4


@pytest.mark.parametrize("field", ["first", "second"])
@pytest.mark.parametrize("std", [0.0, -1.0, 3.1, math.nan])
def test_axes_out_of_range_are_refused(field, std):
    with pytest.raises(ValueError, match=f"^{field}: "):
        FitQState(**{field: std})


@pytest.mark.parametrize(("degrees", "same"), [(0, 0), (90, -90), (180, 0), (-135, 45), (270, -90)])
def test_an_axis_has_an_angle_between_minus_90_and_90(degrees, same):
    assert upright(degrees) == same
