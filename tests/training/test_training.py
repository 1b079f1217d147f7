"""Training: the optimum that scikit-learn finds, the weights of the best epoch, and randomness that stays in its place."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from bal_utils.models import MLP, GalCNN
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, fit, initialised

QUICK = FitConfig(max_epochs=3, batch_size=16)


def blobs(num_points=120, seed=0, spread=1.5):
    """Two overlapping clouds, so that the best separating line is finite."""
    labels = torch.arange(num_points) % 2
    inputs = spread * torch.randn(num_points, 2, generator=stream(seed, "blobs")) + 2.0 * labels[:, None]
    return inputs, labels


def small_mlp(seed=0, **options):
    return initialised(lambda: MLP(2, 2, hidden=(16,), **options), seed)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_logistic_regression_reaches_scikit_learns_solution():
    inputs, labels = blobs()
    model = initialised(lambda: MLP(2, 2, hidden=()), 0)
    fit(model, inputs, labels, config=FitConfig(batch_size=120, max_epochs=200, learning_rate=0.1), seed=0)
    expected = LogisticRegression(C=math.inf, tol=1e-8).fit(inputs.numpy(), labels.numpy())
    linear = model[1]
    slope = (linear.weight[1] - linear.weight[0]).detach().numpy()  # two softmax outputs differ by one logistic one
    np.testing.assert_allclose(slope, expected.coef_[0], atol=1e-3)  # both optimisers stop at gradients of about 1e-5
    np.testing.assert_allclose((linear.bias[1] - linear.bias[0]).item(), expected.intercept_[0], atol=1e-3)


def test_bfloat16_rounds_products_and_leaves_weights_and_their_steps_in_float32():
    """Logistic regression again: the rounded products move the minimum by no more than their eight bits."""
    inputs, labels = blobs()
    config = FitConfig(batch_size=120, max_epochs=200, learning_rate=0.1)
    exact, rounded = (initialised(lambda: MLP(2, 2, hidden=()), 0) for _ in range(2))
    fit(exact, inputs, labels, config=config, seed=0)
    fit(rounded, inputs, labels, config=replace(config, precision="bfloat16"), seed=0)
    assert {parameter.dtype for parameter in rounded.parameters()} == {torch.float32}
    assert not torch.equal(weights(exact), weights(rounded))
    torch.testing.assert_close(weights(rounded), weights(exact), rtol=2**-5, atol=2**-5)


def test_squared_loss_reaches_least_squares():
    generator = stream(0, "regression")
    inputs = torch.randn(50, 3, generator=generator)
    targets = inputs @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3 + 0.1 * torch.randn(50, 1, generator=generator)
    model = initialised(lambda: nn.Linear(3, 1), 0)
    config = FitConfig(batch_size=50, max_epochs=500, learning_rate=0.05)
    result = fit(model, inputs, targets, config=config, seed=0, loss=F.mse_loss)
    design = np.column_stack([inputs.numpy(), np.ones(50)])
    expected, squares, *_ = np.linalg.lstsq(design, targets.numpy(), rcond=None)
    found = torch.cat([model.weight[0], model.bias]).detach().numpy()
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-3)
    assert result.training_loss[-1] == pytest.approx(squares[0] / 50, rel=1e-3)
    assert (result.epochs, result.best_epoch, result.validation_loss) == (500, 500, [])


def test_probabilities_of_classes_are_targets_too():
    inputs, labels = blobs()
    as_probs = F.one_hot(labels).float()
    first, second = small_mlp(), small_mlp()
    fit(first, inputs, labels, config=QUICK, seed=0)
    fit(second, inputs, as_probs, config=QUICK, seed=0)
    torch.testing.assert_close(weights(first), weights(second), rtol=1e-4, atol=1e-5)  # the same loss, summed otherwise


def test_training_stops_after_patience_and_puts_the_best_weights_back():
    inputs, labels = blobs()
    validation = (inputs, 1 - labels)  # the better the fit, the worse the validation
    config = FitConfig(max_epochs=20, patience=4, batch_size=16)
    model = small_mlp()
    result = fit(model, inputs, labels, config=config, seed=0, validation=validation)
    assert (result.epochs, result.best_epoch) == (5, 1)
    assert result.validation_loss == sorted(result.validation_loss) and len(result.validation_loss) == 5
    one_epoch = small_mlp()
    fit(one_epoch, inputs, labels, config=replace(config, max_epochs=1), seed=0)
    assert torch.equal(weights(model), weights(one_epoch))


def test_the_validation_loss_is_that_of_the_returned_network_without_dropout():
    inputs, labels = blobs()
    validation = blobs(3000, seed=1)
    model = small_mlp()
    result = fit(model, inputs, labels, config=FitConfig(max_epochs=8, batch_size=16), seed=0, validation=validation)
    assert not any(module.training for module in model.modules())
    own = F.cross_entropy(model(validation[0]), validation[1]).item()
    assert own == pytest.approx(result.validation_loss[result.best_epoch - 1], rel=1e-5)  # float32 sum of 3,000 terms
    assert own == pytest.approx(min(result.validation_loss), rel=1e-5)


def test_accuracy_can_decide_when_to_stop():
    """A scale that grows: the accuracy is perfect from the first epoch, while the loss goes on falling."""
    inputs = torch.tensor([[-1.0], [1.0]])
    labels = torch.tensor([0, 1])
    model = nn.Linear(1, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-1.0], [1.0]]))
        model.bias.zero_()
    config = FitConfig(max_epochs=10, patience=2)
    by_loss = fit(copy.deepcopy(model), inputs, labels, config=config, seed=0, validation=(inputs, labels))
    assert (by_loss.epochs, by_loss.best_epoch) == (10, 10)
    config = replace(config, stop_on="accuracy")
    by_accuracy = fit(copy.deepcopy(model), inputs, labels, config=config, seed=0, validation=(inputs, labels))
    assert (by_accuracy.epochs, by_accuracy.best_epoch) == (3, 1)


@pytest.mark.parametrize("build", [lambda: MLP(64, 10), lambda: GalCNN(image_size=8)])
def test_same_seed_same_bits_and_the_global_generator_is_neither_read_nor_moved(build):
    generator = stream(0, "images")
    inputs, labels = torch.randn(40, 1, 8, 8, generator=generator), torch.arange(40) % 10
    fitted = []
    for disturbance, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(disturbance)
        before = torch.get_rng_state()
        model = initialised(build, 0)
        fit(model, inputs, labels, config=QUICK, seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        fitted.append(weights(model))
    assert torch.equal(fitted[0], fitted[1])
    assert not torch.equal(fitted[0], fitted[2])


def test_dropout_has_a_stream_of_its_own():
    """With one full batch the order of examples cannot matter, so two seeds differ by their dropout masks alone."""
    inputs, labels = blobs()
    config = FitConfig(max_epochs=1, batch_size=120)

    def fitted(seed, dropout):
        model = small_mlp(dropout=dropout)
        fit(model, inputs, labels, config=config, seed=seed)
        return weights(model)

    torch.testing.assert_close(fitted(1, 0.0), fitted(2, 0.0), rtol=1e-4, atol=1e-5)  # sums in another order
    assert (fitted(1, 0.5) - fitted(2, 0.5)).abs().max() > 1e-4


def test_initial_weights_come_from_the_seed_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = weights(small_mlp(1))
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(5)
    assert torch.equal(first, weights(small_mlp(1)))
    assert not torch.equal(first, weights(small_mlp(2)))


def batches_seen(config, num_points, seed=0):
    """The first numbers of the inputs of every step; input i is i."""
    seen = []

    class Recorder(nn.Linear):
        def forward(self, inputs):
            if self.training:
                seen.append(inputs[:, 0].long())
            return super().forward(inputs)

    inputs = torch.arange(num_points).float()[:, None]
    config = replace(config, learning_rate=1e-9)
    fit(Recorder(1, 2), inputs, torch.zeros(num_points).long(), config=config, seed=seed)
    return seen


def test_an_epoch_is_one_pass_in_random_order():
    seen = batches_seen(FitConfig(max_epochs=2, batch_size=8), 20)
    assert [len(batch) for batch in seen] == [8, 8, 4] * 2
    epochs = torch.cat(seen).view(2, 20)
    assert torch.equal(epochs.sort(dim=1).values, torch.arange(20).expand(2, 20))
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[0], torch.arange(20))
    other = batches_seen(FitConfig(max_epochs=2, batch_size=8), 20, seed=1)
    assert not torch.equal(torch.cat(other), torch.cat(seen))


def test_an_epoch_of_the_batchbald_paper_is_79_steps_with_replacement():
    seen = batches_seen(FitConfig(max_epochs=1, epoch_samples=5056), 20)
    assert [len(batch) for batch in seen] == [64] * 79
    counts = torch.bincount(torch.cat(seen), minlength=20).double()
    expected = 5056 / 20
    statistic = ((counts - expected) ** 2 / expected).sum()  # chi-squared with 19 degrees of freedom
    assert 3.0 < statistic < 60.0  # beyond either bound with probability below 1e-5; a permutation would give 0


def test_reported_training_loss_is_the_mean_over_examples():
    """Without learning to speak of, the mean over unequal batches must still be the loss of the whole."""
    inputs, labels = blobs(num_points=20)
    model = initialised(lambda: nn.Linear(2, 2), 0)
    whole = F.cross_entropy(model(inputs), labels).item()
    result = fit(model, inputs, labels, config=FitConfig(max_epochs=1, batch_size=16, learning_rate=1e-12), seed=0)
    assert result.training_loss[0] == pytest.approx(whole, rel=1e-6)
    config = FitConfig(max_epochs=1, epoch_samples=50, learning_rate=1e-12)
    same = fit(model, inputs[:1].expand(20, 2), labels[:1].expand(20), config=config, seed=0)
    assert same.training_loss[0] == pytest.approx(F.cross_entropy(model(inputs[:1]), labels[:1]).item(), rel=1e-6)


def test_weight_decay_shrinks_weights():
    inputs, labels = blobs()
    free, held = small_mlp(), small_mlp()
    config = FitConfig(max_epochs=40, learning_rate=0.01)
    fit(free, inputs, labels, config=config, seed=0)
    fit(held, inputs, labels, config=replace(config, weight_decay=0.1), seed=0)
    assert weights(held).norm() < 0.5 * weights(free).norm()


def test_progress_goes_to_standard_error(capsys):
    fit(small_mlp(), *blobs(), config=QUICK, seed=0, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "3/3" in captured.err


@pytest.mark.parametrize(
    ("inputs", "labels", "error", "argument"),
    [
        (torch.zeros(0, 2), torch.zeros(0).long(), ValueError, "inputs"),
        (torch.zeros(3, 2), torch.zeros(4).long(), ValueError, "labels"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), ValueError, "labels"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 1]), ValueError, "labels"),
        (torch.zeros(3, 2), torch.zeros(3, dtype=torch.complex64), TypeError, "labels"),
    ],
)
def test_data_that_do_not_fit_are_refused(inputs, labels, error, argument):
    with pytest.raises(error, match=f"^{argument}: "):
        fit(small_mlp(), inputs, labels, config=QUICK, seed=0)
    with pytest.raises(error, match=f"^validation {argument}: "):
        fit(small_mlp(), *blobs(), config=QUICK, seed=0, validation=(inputs, labels))


def test_a_loss_that_is_not_finite_names_the_epoch():
    inputs, labels = blobs()
    with pytest.raises(FloatingPointError, match="training loss: expected a finite number, got nan in epoch 1"):
        fit(small_mlp(), inputs * math.nan, labels, config=QUICK, seed=0)
    with pytest.raises(FloatingPointError, match="validation loss: expected a finite number, got nan in epoch 1"):
        fit(small_mlp(), inputs, labels, config=QUICK, seed=0, validation=(inputs * math.nan, labels))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("batch_size", 0),
        ("batch_size", 2.0),
        ("epoch_samples", 0),
        ("max_epochs", True),
        ("patience", -1),
        ("weight_decay", -1e-3),
        ("stop_on", "loss"),
        ("precision", "float64"),
    ],
)
def test_configurations_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        FitConfig(**{name: value})


def test_a_single_logit_has_no_classes_to_tell_apart():
    with pytest.raises(ValueError, match="^model: "):
        fit(MLP(2, 1), torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), config=QUICK, seed=0)


def test_inputs_stay_as_they_are_under_a_network_that_works_in_place():
    inputs, labels = blobs(20)
    before = inputs.clone()
    fit(nn.Sequential(nn.Hardtanh(inplace=True), nn.Linear(2, 2)), inputs, labels, config=QUICK, seed=0)
    assert torch.equal(inputs, before)
