"""The playground computes what the library computes: log-probabilities, scores, picks, steps of Adam, accuracies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playground_engine import Engine, exported, labelled_moons, masks_of, packed, trained
from torch import Tensor

from bal_utils.acquisition import ACQUISITIONS, Candidates, Features
from bal_utils.models import MLP, penultimate
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream
from bal_utils.theory.information import expected_entropy, log_mean_exp, mutual_information, predictive_entropy
from bal_utils.training.fit import initialised

SAMPLES, POOL = 20, 200
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def engine(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(browser, tmp_path_factory.mktemp("engine"))
    yield engine
    engine.page.close()


@pytest.fixture(scope="module", params=[0, 1, 2])
def committee(request: pytest.FixtureRequest) -> tuple[MLP, Tensor, Tensor, Tensor]:
    """A trained network, its labelled inputs, a pool, and the library's log-probabilities of the pool."""
    inputs, labels, others, _ = labelled_moons(request.param, 10)
    model, pool = trained(inputs, labels, request.param), others[:POOL]
    return model, inputs, pool, sample_log_probs(model, pool, SAMPLES)


def as_samples(log_probs_N_K_C: Tensor) -> list[str]:
    return [packed(log_probs_N_C) for log_probs_N_C in log_probs_N_K_C.unbind(dim=1)]


def test_weights_masks_and_inputs_give_the_same_log_probabilities(engine, committee):
    model, _, pool, log_probs_N_K_C = committee
    found = engine.ask(
        """const model = networkOf(network), hidden = firstLayers(model, floats(inputs));
        return m1.map((mask, k) => [...logProbsOf(model, hidden, { m1: floats(mask), m2: floats(m2[k]) })]);""",
        network=exported(model),
        inputs=packed(pool),
        **{f"m{i}": [packed(mask) for mask in masks] for i, masks in enumerate(masks_of(model, pool, SAMPLES), 1)},
    )
    expected = log_probs_N_K_C.transpose(0, 1).flatten(1).numpy()
    assert np.abs(expected).max() > 3, "a test of log-probabilities near zero would say little"
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_features_are_what_enters_the_last_layer(engine, committee):
    model, _, pool, _ = committee
    found = engine.ask(
        "const model = networkOf(network); return [...featuresOf(model, firstLayers(model, floats(inputs)))];",
        network=exported(model),
        inputs=packed(pool),
    )
    np.testing.assert_allclose(found, penultimate(model, pool).flatten().numpy(), **CLOSE)


def test_the_three_terms(engine, committee):
    *_, log_probs_N_K_C = committee
    found = engine.ask(
        """const terms = termsOf(samples.map(floats));
        return ["prob_N", "total_N", "noise_N", "taught_N"].map((name) => [...terms[name]]);""",
        samples=as_samples(log_probs_N_K_C),
    )
    expected = [
        log_mean_exp(log_probs_N_K_C, dim=1)[:, 1].exp(),
        predictive_entropy(log_probs_N_K_C),
        expected_entropy(log_probs_N_K_C),
        mutual_information(log_probs_N_K_C),
    ]
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), **CLOSE)


SCORES = {
    "margin": "return [...marginScores(termsOf(samples.map(floats)))];",
    "entropy": "return [...termsOf(samples.map(floats)).total_N];",
    "bald": "return [...termsOf(samples.map(floats)).taught_N];",
    "epig": "const known = samples.map(floats); return [...epigScores(known, known)];",
    "core_set": "return [...nearestDistances(floats(features), floats(labelled))];",
}
BATCHES = {
    name: f"const scores = (() => {{ {body} }})(); return highest(scores, batch, stream(0));"
    for name, body in SCORES.items()
}
BATCHES |= {
    "core_set": "return kCenter(floats(features), floats(labelled), batch);",
    "batchbald": "return batchBald(samples.map(floats), batch);",
}  # fmt: skip


def told(committee: tuple) -> tuple[Candidates, dict[str, Any]]:
    """The pool as strategies see it, and the same for the engine."""
    model, inputs, pool, log_probs_N_K_C = committee
    features = Features(penultimate(model, pool), penultimate(model, inputs))
    candidates = Candidates(POOL, lambda: log_probs_N_K_C, lambda: features)
    values = {"samples": as_samples(log_probs_N_K_C), "features": packed(features.pool_N_F)}
    return candidates, values | {"labelled": packed(features.labelled_L_F)}


@pytest.mark.parametrize("name", SCORES)
def test_scores(engine, committee, name):
    candidates, values = told(committee)
    expected = ACQUISITIONS[name].score(candidates, candidates, stream(0, "targets"))
    found = engine.ask(SCORES[name], **values)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", BATCHES)
def test_picks(engine, committee, name, batch):
    candidates, values = told(committee)
    expected = ACQUISITIONS[name].select(candidates, batch, stream(0, "choices"))
    found = engine.ask(BATCHES[name], **values, batch=batch)
    assert found["indices"] == expected.indices
    np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("steps", [1, 10])
def test_steps_of_adam_are_those_of_pytorch(engine, steps):
    inputs, labels, *_ = labelled_moons(4, 12)
    model = initialised(lambda: MLP(2, 2, hidden=(32, 32), dropout=0.0), 4).double()
    masks = [1.25 * (torch.rand(12, 32, generator=stream(4, "masks", layer)) < 0.8).float() for layer in (1, 2)]
    found = engine.ask(
        """const model = networkOf(network), gradients = zerosLike(model), losses = [];
        const moments = { first: zerosLike(model), second: zerosLike(model) };
        for (let step = 1; step <= steps; step++) {
            losses.push(gradient(model, floats(inputs), Uint8Array.from(labels), ...masks.map(floats), gradients));
            adamStep(model, gradients, moments, step, TRAINING);
        }
        return { losses, weights: Object.fromEntries(WEIGHTS.map((name) => [name, [...model[name]]])) };""",
        network=exported(model.float()),
        inputs=packed(inputs),
        labels=labels.tolist(),
        masks=[packed(mask) for mask in masks],
        steps=steps,
    )
    model.double()
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4), []
    for _ in range(steps):
        hidden = inputs.double()
        for place, mask in zip((1, 4), masks, strict=True):
            hidden = model[place](hidden).relu() * mask
        loss = F.cross_entropy(model[7](hidden), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.testing.assert_allclose(found["losses"], losses, rtol=1e-4)
    for name, place in {"1": 1, "2": 4, "3": 7}.items():
        for kind, weights in (("W", model[place].weight.T), ("b", model[place].bias)):
            expected = weights.detach().flatten().numpy()
            off = np.abs(np.array(found["weights"][f"{kind}{name}"]) - expected)
            # a gradient that is all rounding still moves Adam by a whole step: one weight in a hundred may differ by that
            assert np.quantile(off, 0.99) < 2e-5 and off.max() < 0.02 * steps, (kind, name)


def test_both_trainers_are_as_good_over_twenty_seeds(engine):
    ours, theirs = [], []
    for seed in range(20):
        inputs, labels, others, truth = labelled_moons(seed, 12)
        test, test_labels = others[:500], truth[:500]
        model = trained(inputs, labels, seed)
        predicted = log_mean_exp(sample_log_probs(model, test, SAMPLES), dim=1).argmax(dim=-1)
        theirs.append((predicted == test_labels).double().mean().item())
        ours.append(
            engine.ask(
                """const model = newNetwork(stream("weights", seed)), masks = dropoutMasks(0.2);
                train(model, floats(inputs), Uint8Array.from(labels), 0.2, stream("dropout", seed));
                const hidden = firstLayers(model, floats(test));
                const drawn = Array.from({ length: samples }, () => logProbsOf(model, hidden, masks.next().value));
                return accuracyOf(termsOf(drawn).prob_N, Uint8Array.from(testLabels));""",
                seed=seed,
                samples=SAMPLES,
                inputs=packed(inputs),
                labels=labels.tolist(),
                test=packed(test),
                testLabels=test_labels.tolist(),
            )
        )
    ours, theirs = np.array(ours), np.array(theirs)
    half = [2.09 * values.std(ddof=1) / np.sqrt(20) for values in (ours, theirs, ours - theirs)]  # t of 19 degrees
    print(f"accuracy over 20 seeds: playground {ours.mean():.4f} ± {half[0]:.4f}, library {theirs.mean():.4f} "
          f"± {half[1]:.4f}, difference {(ours - theirs).mean():+.4f} ± {half[2]:.4f}")  # fmt: skip
    assert abs((ours - theirs).mean()) < half[2] or abs((ours - theirs).mean()) < 0.003
    assert abs(ours.mean() - theirs.mean()) < half[0] + half[1]


def test_moons_without_noise_are_half_circles(engine):
    points, labels = engine.ask(
        """const found = dataSet("moons", 0, 1); return [[...found.pool_P_2], [...found.labels_P]];"""
    )
    x, y = np.array(points).reshape(-1, 2).T
    upper = np.array(labels) == 0
    assert upper.sum() == POOL // 2
    np.testing.assert_allclose(x[upper] ** 2 + y[upper] ** 2, 1, rtol=1e-5)
    np.testing.assert_allclose((x[~upper] - 1) ** 2 + (y[~upper] - 0.5) ** 2, 1, rtol=1e-5)
    assert y[upper].min() > -1e-6 and y[~upper].max() < 0.5 + 1e-6


@pytest.mark.parametrize("name", ["moons", "blobs", "xor", "spiral", "wrong"])
def test_a_data_set_begins_with_both_classes_and_lies_in_the_plane(engine, name):
    found = engine.ask(
        """const { pool_P_2, labels_P, first } = dataSet(name, 0.2, 5), moons = dataSet("moons", 0.2, 5);
        const off = moons.labels_P.filter((one, i) => one !== labels_P[i]).length;
        return { points: [...pool_P_2], labels: [...labels_P], first, off };""",
        name=name,
    )
    x, y = np.array(found["points"]).reshape(-1, 2).T
    inside = (x > -1.9) & (x < 2.9) & (y > -2) & (y < 2.5)
    assert inside.mean() > 0.97
    labels = np.array(found["labels"])
    assert sorted(found["first"]) == list(range(POOL))
    assert set(labels[found["first"][:2]]) == {0, 1}
    if name == "wrong":
        assert found["off"] == 1, "one label, and no other, is not the one of the moons"


def test_dropout_keeps_the_mean_and_streams_are_named(engine):
    kept, first, again, other = engine.ask(
        """const masks = dropoutMasks(0.3), drawn = Array.from({ length: 500 }, () => [...masks.next().value.m1]).flat();
        const first = () => [...dropoutMasks(0.3).next().value.m2];
        return [drawn, first(), first(), stream("weights", 1)()];"""
    )
    kept = np.array(kept)
    share = (kept > 0).mean()
    assert abs(share - 0.7) < 3 * np.sqrt(0.7 * 0.3 / kept.size)
    np.testing.assert_allclose(kept[kept > 0], 1 / 0.7, rtol=1e-6)
    assert first == again
    assert 0 <= other < 1


COSTS = {  # what the hand does -> how the task differs from the one before it, and the milliseconds it may take
    "a dragged point trains again": ({}, 100),
    "another strategy": ({"strategy": "margin"}, 16),
    "fewer networks": ({"samples": 15}, 16),
    "one network more": ({"samples": 21}, 16),
}


def test_what_an_answer_costs(engine):
    """Processor time of the thread that computes, since times on the wall tell what else the machine does."""
    session = engine.page.context.new_cdp_session(engine.page)
    session.send("Performance.enable")

    def clock() -> float:
        found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return 1000 * found["ThreadTime"]

    task = {"data": "moons", "noise": 0.1, "seed": 8, "posterior": "dropout", "dropout": 0.2}
    task |= {"strategy": "bald", "batch": 1, "samples": 20}
    first = engine.ask("return dataOf(task).first;", task=task | {"moves": []})
    took = {name: [] for name in COSTS}
    for i in range(40):
        now = task | {"labelled": sorted(first[: 6 + i % 25]), "moves": [[first[0], i / 100, 0]]}
        for name, (change, _) in COSTS.items():
            begun = clock()
            engine.ask("pictureOf(task); return null;", task=now | change)
            took[name].append(clock() - begun)
    session.detach()
    for name, (_, most) in COSTS.items():
        median, slow = np.quantile(took[name][5:], [0.5, 0.9])
        print(f"{name}: median {median:.0f} ms, p90 {slow:.0f} ms of processor time")
        assert median < 2 * most, name  # twice as much, for a processor that others use too
