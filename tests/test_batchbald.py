"""BatchBALD against enumeration in plain Python, closed forms, and greedy choice without bounds."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from bal_utils import batchbald
from bal_utils.batchbald import (
    Configurations,
    batchbald_batch,
    estimate_joint_mutual_information,
    joint_mutual_information,
    thin,
)
from bal_utils.runtime import stream
from bal_utils.theory.information import mutual_information

ROUNDING = 1e-10  # float64 sums of a few thousand terms are good to about 1e-13


def random_pool(generator, num_inputs, num_samples, num_classes, sharpness=2.0):
    logits_N_K_C = torch.randn(num_inputs, num_samples, num_classes, generator=generator, dtype=torch.float64)
    return (sharpness * logits_N_K_C).log_softmax(dim=-1)


def small_pools(how_many=200):
    """Random pools with N ≤ 6, K ≤ 5, C ≤ 4, and a batch size of at most 3."""
    generator = stream(0, "small pools")
    for _ in range(how_many):
        n, k, c, b = (int(torch.randint(1, most + 1, (), generator=generator)) for most in (6, 5, 3, 3))
        yield random_pool(generator, n, k, c + 1), min(b, n)


def enumerated_information(probs_B_K_C):
    """H[y_1, ..., y_B] - E_w H[y_1, ..., y_B | w] in plain Python: the definition, label by label."""
    num_samples, num_classes = len(probs_B_K_C[0]), len(probs_B_K_C[0][0])
    information = 0.0
    for labels in product(range(num_classes), repeat=len(probs_B_K_C)):
        likelihoods = [
            math.prod(probs_K_C[k][label] for probs_K_C, label in zip(probs_B_K_C, labels, strict=True))
            for k in range(num_samples)
        ]
        mean = sum(likelihoods) / num_samples
        information += sum(p * math.log(p / mean) for p in likelihoods if p > 0) / num_samples
    return information


def enumerated_greedy(log_probs_N_K_C, batch_size):
    probs_N_K_C = log_probs_N_K_C.exp().tolist()
    chosen, scores = [], []
    for _ in range(batch_size):
        totals = {
            x: enumerated_information([probs_N_K_C[y] for y in [*chosen, x]])
            for x in range(len(probs_N_K_C))
            if x not in chosen
        }
        best = max(totals.values())
        chosen.append(min(x for x, total in totals.items() if total >= best - 1e-9))
        scores.append(totals[chosen[-1]])
    return chosen, scores


def patient_greedy(log_probs_N_K_C, batch_size, limit=10_000, generator=None):
    """Greedy choice that computes every gain anew for every choice, in float64."""
    configurations = Configurations.before_any_label(log_probs_N_K_C.shape[1], log_probs_N_K_C.device)
    chosen = []
    for _ in range(batch_size):
        gains_N = configurations.gains(log_probs_N_K_C, torch.float64)
        gains_N[chosen] = -math.inf
        chosen.append(int(gains_N.argmax()))
        configurations = configurations.observe(log_probs_N_K_C[chosen[-1]], limit, generator)
    return chosen


def test_joint_information_is_that_of_enumeration():
    for log_probs_N_K_C, batch_size in small_pools():
        log_probs_B_K_C = log_probs_N_K_C[:batch_size]
        expected = enumerated_information(log_probs_B_K_C.exp().tolist())
        assert joint_mutual_information(log_probs_B_K_C) == pytest.approx(expected, abs=ROUNDING)


def test_batch_is_that_of_greedy_enumeration():
    for log_probs_N_K_C, batch_size in small_pools():
        batch = batchbald_batch(log_probs_N_K_C, batch_size)
        indices, scores = enumerated_greedy(log_probs_N_K_C, batch_size)
        assert batch.indices == indices
        assert batch.scores == pytest.approx(scores, abs=ROUNDING)


def test_first_choice_is_the_highest_bald_score():
    for log_probs_N_K_C, _ in small_pools():
        bald_N = mutual_information(log_probs_N_K_C)
        batch = batchbald_batch(log_probs_N_K_C, 1)
        assert bald_N[batch.indices[0]] >= bald_N.max() - ROUNDING
        assert batch.scores[0] == pytest.approx(bald_N.max().item(), abs=ROUNDING)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bounds_do_not_change_the_choice(dtype):
    # six choices: 4^5 = 1024 configurations are more than K = 20, so that merged ones take part
    for seed in range(5):
        log_probs_N_K_C = random_pool(stream(seed, "pool"), 300, 20, 4).to(dtype)
        assert batchbald_batch(log_probs_N_K_C, 6).indices == patient_greedy(log_probs_N_K_C, 6)


@pytest.mark.slow
def test_scikit_activeml_chooses_the_same():
    peers = pytest.importorskip("skactiveml.pool")
    log_probs_N_K_C = random_pool(stream(22, "pool"), 3000, 20, 10)
    batch = batchbald_batch(log_probs_N_K_C.float(), 4)  # in the exact phase
    probs_K_N_C = log_probs_N_K_C.exp().transpose(0, 1).contiguous().numpy()
    utilities_B_N = peers.batch_bald(probs_K_N_C, 4, n_MC_samples=10_000, random_state=0)
    assert batch.indices == np.nanargmax(utilities_B_N, axis=1).tolist()
    assert batch.scores == pytest.approx(np.nanmax(utilities_B_N, axis=1), abs=1e-5)  # probabilities in float32


def test_bounds_spare_most_of_the_work(monkeypatch):
    evaluated = {}
    gains = Configurations.gains

    def counting(self, log_probs_n_K_C, dtype):
        evaluated[len(self.probs_M)] = evaluated.get(len(self.probs_M), 0) + len(log_probs_n_K_C)
        return gains(self, log_probs_n_K_C, dtype)

    monkeypatch.setattr(Configurations, "gains", counting)
    monkeypatch.setattr(batchbald, "CPU_CHUNK_BYTES", 2**18)  # 16 inputs at a time
    batchbald_batch(random_pool(stream(21, "pool"), 2000, 20, 4), 6)
    assert evaluated[1] >= 2000  # the first choice looks at every input
    assert 1 <= evaluated[4**5] < 500  # float32 and float64 counted, of 4000


def test_bounds_cost_no_information_when_sampling():
    # Bounds from other samples may be too low by the sampling error: log K / (2 sqrt(M)) is 0.05 nats at most here.
    for seed in range(3):
        log_probs_N_K_C = random_pool(stream(seed, "pool"), 200, 20, 4, sharpness=1.0)
        lazy = batchbald_batch(log_probs_N_K_C, 6, max_configurations=800).indices
        patient = patient_greedy(log_probs_N_K_C, 6, limit=800, generator=stream(0, "other samples"))
        difference = joint_mutual_information(log_probs_N_K_C[lazy]) - joint_mutual_information(
            log_probs_N_K_C[patient]
        )
        assert abs(difference) < 0.05


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_merging_configurations_raises_every_gain(depth):
    log_probs_N_K_C = random_pool(stream(1, "pool"), 50, 8, 3)
    configurations = Configurations.before_any_label(8, torch.device("cpu"))
    for log_probs_K_C in log_probs_N_K_C[:5]:
        configurations = configurations.observe(log_probs_K_C, limit=10_000)
    merged = configurations.merged(depth)
    assert len(merged.probs_M) < len(configurations.probs_M)
    torch.testing.assert_close(merged.probs_M @ merged.weights_M_K, torch.full((8,), 1 / 8, dtype=torch.float64))
    rise_N = merged.gains(log_probs_N_K_C, torch.float64) - configurations.gains(log_probs_N_K_C, torch.float64)
    assert rise_N.min() > -ROUNDING
    assert rise_N.max() > 1e-3


def test_a_copy_is_not_worth_full_gain():
    log_probs_N_K_C = random_pool(stream(2, "pool"), 10, 8, 4)
    doubled_N_K_C = torch.cat([log_probs_N_K_C, log_probs_N_K_C])
    for row in log_probs_N_K_C:
        alone = joint_mutual_information(row[None])
        assert alone < joint_mutual_information(torch.stack([row, row])) < 2 * alone
    best = batchbald_batch(log_probs_N_K_C, 1).indices[0]
    first, second = batchbald_batch(doubled_N_K_C, 2).indices
    assert first == best  # the lower of the two equal rows
    assert second != best + 10


def test_a_copy_of_a_noiseless_input_is_worth_nothing():
    # K = 8 samples; input j reads bit j of the sample's number. Three bits say everything: 3 log 2 = log 8.
    bits_3_8 = torch.tensor([[k >> j & 1 for k in range(8)] for j in range(3)])
    log_probs_N_K_C = torch.nn.functional.one_hot(bits_3_8.repeat_interleave(4, dim=0), 2).double().log()
    batch = batchbald_batch(log_probs_N_K_C, 5)
    assert batch.indices[:3] == [0, 4, 8]
    assert batch.scores == pytest.approx(
        [math.log(2), math.log(4), math.log(8), math.log(8), math.log(8)], abs=ROUNDING
    )


def test_information_of_independent_parts_adds_up():
    # w = (u, v) on a grid: the first two inputs depend on u only, the other two on v only
    generator = stream(3, "grid")
    about_u, about_v = random_pool(generator, 2, 4, 3), random_pool(generator, 2, 5, 3)
    log_probs_B_K_C = torch.cat([about_u.repeat_interleave(5, dim=1), about_v.repeat(1, 4, 1)])
    expected = joint_mutual_information(about_u) + joint_mutual_information(about_v)
    assert joint_mutual_information(log_probs_B_K_C) == pytest.approx(expected, abs=ROUNDING)


def test_batch_moves_with_the_pool():
    log_probs_N_K_C = random_pool(stream(4, "pool"), 60, 10, 3)
    order_N = torch.randperm(60, generator=stream(4, "order"))
    indices = batchbald_batch(log_probs_N_K_C, 5).indices
    assert [int(order_N[i]) for i in batchbald_batch(log_probs_N_K_C[order_N], 5).indices] == indices


def test_equal_gains_go_to_the_lowest_index():
    log_probs_1_K_C = random_pool(stream(5, "pool"), 1, 7, 3)
    assert batchbald_batch(log_probs_1_K_C.expand(3000, -1, -1), 3).indices == [0, 1, 2]


def test_chunks_do_not_change_the_batch(monkeypatch):
    log_probs_N_K_C = random_pool(stream(6, "pool"), 100, 10, 4)
    whole = batchbald_batch(log_probs_N_K_C, 6, max_configurations=300)
    monkeypatch.setattr(batchbald, "CPU_CHUNK_BYTES", 1)
    assert batchbald_batch(log_probs_N_K_C, 6, max_configurations=300) == whole


def test_same_generator_same_batch():
    log_probs_N_K_C = random_pool(stream(7, "pool"), 100, 20, 4, sharpness=1.0)
    first, again, other = (
        batchbald_batch(log_probs_N_K_C, 7, max_configurations=50, generator=generator)
        for generator in (stream(0, "a"), stream(0, "a"), stream(0, "b"))
    )
    assert first == again
    assert first.scores[-1] != other.scores[-1]
    default = batchbald_batch(log_probs_N_K_C, 7, max_configurations=50)
    assert default == batchbald_batch(log_probs_N_K_C, 7, max_configurations=50)


def test_sampled_scores_are_near_the_exact_ones():
    # The standard error is at most log K / (2 sqrt(M)) = 0.075 for independent samples; the thinned ones do better.
    log_probs_N_K_C = random_pool(stream(8, "pool"), 40, 20, 3, sharpness=1.0)
    batch = batchbald_batch(log_probs_N_K_C, 7, max_configurations=400)
    exact = [joint_mutual_information(log_probs_N_K_C[batch.indices[: i + 1]]) for i in range(7)]
    assert batch.scores[:5] == pytest.approx(exact[:5], abs=ROUNDING)  # 3^5 = 243 configurations fit, 3^6 do not
    assert batch.scores[5:] == pytest.approx(exact[5:], abs=0.075)
    assert batch.scores[6] != exact[6]


def test_scores_are_not_raised_by_the_choice():
    # The chosen input's own estimate is 0.09 nats too high here, for it was chosen as the highest of noisy ones.
    log_probs_N_K_C = random_pool(stream(20, "p"), 100, 64, 2, sharpness=5.0)
    errors = []
    for seed in range(100):
        batch = batchbald_batch(log_probs_N_K_C, 4, max_configurations=2, generator=stream(seed, "samples"))
        errors.append(batch.scores[-1] - joint_mutual_information(log_probs_N_K_C[batch.indices]))
    standard_error = np.std(errors) / math.sqrt(len(errors))
    assert standard_error < 0.02  # else the next line would let such a bias pass
    assert np.mean(errors) == pytest.approx(0, abs=3 * standard_error)


def test_estimate_is_unbiased():
    log_probs_B_K_C = random_pool(stream(9, "batch"), 6, 10, 3, sharpness=1.0)
    generator = stream(9, "estimates")
    estimates = [
        estimate_joint_mutual_information(log_probs_B_K_C, max_configurations=30, generator=generator)
        for _ in range(200)
    ]
    standard_error = np.std(estimates) / math.sqrt(len(estimates))
    assert standard_error < 0.008  # else the next line would let a bias pass
    assert np.mean(estimates) == pytest.approx(joint_mutual_information(log_probs_B_K_C), abs=4 * standard_error)


def test_thinning_keeps_the_heavy_and_moves_no_expectation():
    probs_J = torch.tensor([0.4, 0.0, 0.01, 0.02, 0.3, 0.05, 0.05, 0.07, 0.03, 0.07], dtype=torch.float64)
    generator = stream(10, "thin")
    totals_J = torch.zeros_like(probs_J)
    for _ in range(4000):
        kept_m, probs_m = thin(probs_J, 5, generator)
        assert len(kept_m.unique()) == 5
        assert probs_m.sum().item() == pytest.approx(1, abs=ROUNDING)
        # threshold 0.1: three places for what the two heavy ones leave, 0.3
        assert dict(zip(kept_m.tolist(), probs_m.tolist(), strict=True)).items() >= {0: 0.4, 4: 0.3}.items()
        totals_J.index_add_(0, kept_m, probs_m)
    # four standard errors of 0.1 times a coin of chance p / 0.1: at most 4 * 0.05 / sqrt(4000)
    torch.testing.assert_close(totals_J / 4000, probs_J, rtol=0, atol=0.0032)


@pytest.mark.parametrize("power", [1, 10, 100])
def test_the_light_are_thinned_however_little_they_weigh(power):
    """Beside a heavy one most of them vanish in a sum: the limit and their own sum have to hold all the same."""
    for seed in range(50):
        weights_J = torch.rand(200, generator=stream(seed, "light"), dtype=torch.float64) ** power
        probs_J = weights_J / weights_J.sum()
        limit = 10 + 3 * seed
        kept_m, probs_m = thin(probs_J, limit, stream(seed, "thin"))
        assert len(kept_m) == len(kept_m.unique()) == limit
        light_m = probs_m == probs_m.min()
        heavy_m = kept_m[~light_m]
        torch.testing.assert_close(probs_m[~light_m], probs_J[heavy_m], rtol=0, atol=0)
        rest_J = probs_J.index_fill(0, heavy_m, 0)
        torch.testing.assert_close(probs_m[light_m].sum(), rest_J.sum(), rtol=1e-9, atol=0)


def test_few_configurations_are_all_kept():
    kept_m, probs_m = thin(torch.tensor([0.5, 0.0, 0.2, 0.3], dtype=torch.float64), 3, None)
    assert kept_m.tolist() == [0, 2, 3]
    assert probs_m.tolist() == [0.5, 0.2, 0.3]


def test_saturation_is_said_and_scores_stay_below_log_k():
    log_probs_N_K_C = random_pool(stream(11, "pool"), 80, 12, 3, sharpness=4.0)
    with pytest.warns(UserWarning, match=r"joint information of 2\.\d+ nats.* log K = 2\.485; .* error of 0\.124"):
        batch = batchbald_batch(log_probs_N_K_C, 12, max_configurations=100)
    assert len(set(batch.indices)) == 12
    assert batch.scores == sorted(batch.scores)
    assert math.log(12) - 0.124 < batch.scores[-1] <= math.log(12)


def test_certain_predictions_are_finite():
    certain_K_C = torch.full((6, 4), -math.inf)
    certain_K_C[:, 0] = 0.0
    split_K_C = torch.full((6, 4), -math.inf)  # every sample is certain, half of them of another class
    split_K_C[:3, 1] = split_K_C[3:, 2] = 0.0
    batch = batchbald_batch(torch.stack([certain_K_C, split_K_C, certain_K_C, split_K_C]), 4)
    assert batch.indices == [1, 0, 2, 3]
    assert batch.scores == pytest.approx([math.log(2)] * 4, abs=ROUNDING)


def test_samples_that_agree_leave_nothing_to_learn():
    log_probs_N_K_C = random_pool(stream(12, "pool"), 20, 1, 3).float().expand(-1, 9, -1)
    batch = batchbald_batch(log_probs_N_K_C, 4)
    assert batch.scores == pytest.approx([0.0] * 4, abs=ROUNDING)


def test_predictions_with_gradients_serve_too_and_stay_as_they_are():
    log_probs_N_K_C = random_pool(stream(13, "pool"), 20, 6, 3)
    before = log_probs_N_K_C.clone()
    batch = batchbald_batch(log_probs_N_K_C.requires_grad_(), 3)
    assert torch.equal(log_probs_N_K_C, before)
    assert batch == batchbald_batch(before, 3)


def spoiled(value):
    log_probs_N_K_C = random_pool(stream(14, "pool"), 5, 4, 3)
    log_probs_N_K_C[2, 1, 0] = value
    return log_probs_N_K_C


@pytest.mark.parametrize("function", [lambda x: batchbald_batch(x, 2), joint_mutual_information])
@pytest.mark.parametrize(
    ("log_probs", "error", "message"),
    [
        (spoiled(math.nan), ValueError, "got NaN or plus infinity"),
        (spoiled(math.inf), ValueError, "got NaN or plus infinity"),
        (spoiled(-math.inf), ValueError, "sum to 1"),
        (torch.randn(5, 4, 3, generator=stream(0, "logits")), ValueError, "apply log_softmax to logits"),
        (torch.empty(0, 4, 3), ValueError, "at least one input"),
        (torch.zeros(5, 3), ValueError, "three dimensions"),
        (torch.zeros(5, 4, 1, dtype=torch.long), TypeError, "floating-point tensor"),
        (torch.full((5, 4, 2), 0.5).log().half(), TypeError, "torch.float16"),
        (torch.zeros(5, 4, 1), ValueError, "two outputs"),
        ([[[0.0]]], TypeError, "floating-point tensor"),
    ],
)
def test_what_is_not_log_probabilities_is_refused(function, log_probs, error, message):
    with pytest.raises(error, match=rf"^log_probs_[NB]_K_C: .*{message}"):
        function(log_probs)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size: .*from 1 to 5, got 0"),
        ({"batch_size": -3}, ValueError, "batch_size: .*from 1 to 5, got -3"),
        ({"batch_size": 6}, ValueError, "batch_size: .*from 1 to 5, got 6"),
        ({"batch_size": 2.0}, ValueError, "batch_size: .*got 2.0"),
        ({"batch_size": True}, ValueError, "batch_size: .*got True"),
        ({"batch_size": 2, "max_configurations": 0}, ValueError, "max_configurations: .*at least 3"),
        ({"batch_size": 2, "max_configurations": 2}, ValueError, "max_configurations: .*at least 3"),
        ({"batch_size": 2, "max_configurations": 1e4}, ValueError, "max_configurations: .*got 10000.0"),
    ],
)
def test_counts_out_of_range_are_refused(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        batchbald_batch(random_pool(stream(15, "pool"), 5, 4, 3), **arguments)


def test_too_many_configurations_to_enumerate_are_refused():
    log_probs_B_K_C = random_pool(stream(16, "batch"), 12, 4, 10)
    with pytest.raises(
        ValueError, match=r"^log_probs_B_K_C: expected at most 8388608 configurations .* each of 12 inputs"
    ):
        joint_mutual_information(log_probs_B_K_C)
    assert 0 < estimate_joint_mutual_information(log_probs_B_K_C) <= math.log(4)
