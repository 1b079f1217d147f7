"""Exercises of the notebook `bayesian_neural_networks`."""

import math

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("08", "What if every weight were a distribution?")

prediction_1 = Exercise(
    name="bayesian_neural_networks.prediction_1",
    title="A hundred times as many units",
    question="Keep N(0, 1) for every weight, and take a thousand hidden units instead of ten. What becomes of a typical height "
    "of the functions?",
    choices={"A": "it stays", "B": "about ten times as high", "C": "about a hundred times as high"},
    answer="B",
    explanation="Independent units add their variances: a hundred times the variance, ten times the standard deviation.",
    hints=(
        "The output is a sum over the units. Their signs are random, so they partly cancel.",
        "Variances of independent terms add. What happens to the standard deviation?",
    ),
    mistakes=(
        Mistake("A", "Nothing in this prior knows how many units there are, so every further unit adds its share."),
        Mistake("C", "That would need all units to push the same way. Their signs are random, so variances add."),
    ),
)

prediction_2 = Exercise(
    name="bayesian_neural_networks.prediction_2",
    title="Independent weights in the gap",
    question="Take Laplace's band. Every weight keeps its variance, and all covariances are dropped. What becomes of its "
    "width in the gap?",
    choices={"A": "narrower", "B": "about the same", "C": "more than twice as wide"},
    answer="C",
    explanation="With the covariances the moves of the units partly cancel. Without them their squares add up: the band "
    "opens in the gap, and still more at the data.",
    hints=(
        "A weight may be very uncertain by itself, and well known together with another one, as the two terms of a sum.",
        "The variance of f is now the sum of squared derivatives times variances. Which terms are missing?",
    ),
    mistakes=(
        Mistake(
            "A",
            "Mean field is narrow there, but because training shrinks its variances. Here they stay as wide as they were.",
        ),
        Mistake(
            "B", "That would be so if the covariances hardly mattered. They are what makes the units' moves cancel."
        ),
    ),
)

prediction_3 = Exercise(
    name="bayesian_neural_networks.prediction_3",
    title="The network or its tangent",
    question="Draws from Laplace's distribution are run through the network itself, or through its tangent. Which band do you "
    "trust?",
    choices={"network": "that of the network itself", "tangent": "that of the tangent", "equal": "they hardly differ"},
    answer="tangent",
    explanation="The curvature was computed as if the network were its tangent. Directions that it leaves wide are harmless "
    "for the tangent, and throw the network off the data.",
    hints=(
        "Which of the two was used when Λ was computed from Jacobians?",
        "Along a direction that the data hardly fix, q is as wide as the prior. What do tanh units do on such a walk?",
    ),
    mistakes=(
        Mistake("network", "It is the real one. But Λ, and with it the width of q, was computed for the tangent."),
        Mistake("equal", "That holds while q is narrow. Here it is as wide as the prior in many directions."),
    ),
)


def prior_std(weight_decay, num_data):
    return 1 / math.sqrt(num_data * weight_decay)


exercise_1 = Exercise(
    name="bayesian_neural_networks.exercise_1",
    title="The prior that weight decay stands for",
    answer=prior_std,
    explanation="N times the mean loss is minus the log joint, so N·λ is the prior's precision 1/std².",
    hints=(
        "Minus the log of N(w; 0, s²) is w²/(2s²) and a constant. The log joint has N misfits, the loss has their mean.",
        "Multiply the loss by N: the penalty is N·λ/2·|w|². Compare with |w|²/(2s²).",
    ),
    cases=((1e-4, 1000), (0.01, 25), (5e-4, 60_000)),
    mistakes=(
        Mistake(
            lambda weight_decay, num_data: num_data * weight_decay,
            "This is the prior's precision. The variance is one over it, and the standard deviation the root of that.",
        ),
        Mistake(
            lambda weight_decay, num_data: 1 / (num_data * weight_decay),
            "This is the prior's variance. The standard deviation is its square root.",
        ),
        Mistake(
            lambda weight_decay, num_data: 1 / math.sqrt(weight_decay),
            "The loss is a mean over N examples and the log joint a sum. The N is missing.",
        ),
        Mistake(
            lambda weight_decay, num_data: math.sqrt(num_data / weight_decay),
            "The N is on the wrong side: with more data the same λ is a stronger belief, a smaller std.",
        ),
        Mistake(
            lambda weight_decay, num_data: 1 / math.sqrt(2 * num_data * weight_decay),
            "One factor ½ too many: the penalty λ/2·|w|² has it already, and so has the normal density.",
        ),
    ),
)


def labels_needed(feature_D, noise_std, prior_std, target_std):
    before = prior_std**2 * (feature_D @ feature_D).item()
    return max(0, math.ceil(noise_std**2 * (1 / target_std**2 - 1 / before)))


def _labels(noise_variance, precision_wanted, precision_before=0.0):
    """The number of labels from any variance and precisions, right or wrong."""
    return max(0, math.ceil(noise_variance * (precision_wanted - precision_before)))


exercise_2 = Exercise(
    name="bayesian_neural_networks.exercise_2",
    title="How many labels at one place",
    answer=labels_needed,
    explanation="Along φ the precision of f starts at 1/(s²|φ|²), and each label adds 1/σ²: 1/target² = 1/(s²|φ|²) + n/σ².",
    hints=(
        "How wide is f = φ·w before any label, if every weight is N(0, s²)?",
        "A label at the same input measures the same f, with noise σ. What do n such measurements do to the precision of f?",
        "Solve 1/target² = 1/(s²|φ|²) + n/σ² for n, and round up. It may be below zero: then no label is needed.",
    ),
    cases=(
        (torch.tensor([1.0, 2.0, -1.0]), 0.3, 1.5, 0.1),
        (torch.tensor([1.0, 0.0, 3.0]), 2.0, 0.5, 1.1),
        (torch.tensor([1.0]), 5.0, 3.0, 4.0),
        (torch.tensor([2.0, 1.0]), 0.5, 1.0, 0.2),
    ),
    mistakes=(
        Mistake(
            lambda phi, noise, prior, target: _labels(noise**2, target**-2),
            "You began without a prior. It knows something about f already: its precision is 1/(s²|φ|²).",
        ),
        Mistake(
            lambda phi, noise, prior, target: _labels(noise**2, target**-2, prior**-2),
            "1/s² is the precision of one weight. f is a sum of weights times features: its variance is s²|φ|².",
        ),
        Mistake(
            lambda phi, noise, prior, target: _labels(noise, 1 / target, 1 / (prior * (phi @ phi).sqrt())),
            "Standard deviations stand where variances belong: precisions add up, one over the squares.",
        ),
        Mistake(
            lambda phi, noise, prior, target: math.ceil(noise**2 * (1 / target**2 - 1 / (prior**2 * (phi @ phi)))),
            "The number can come out negative. Who is sure enough already needs no label.",
        ),
        Mistake(
            lambda phi, noise, prior, target: math.floor(
                max(0, noise**2 * (target**-2 - 1 / (prior**2 * (phi @ phi))))
            ),
            "You rounded down. With so few labels f is still a little wider than was asked.",
        ),
        Mistake(
            lambda phi, noise, prior, target: round(
                max(0, noise**2 * (target**-2 - 1 / (prior**2 * (phi @ phi).item())))
            ),
            "You rounded to the nearest number. Where that is below, f is still a little wider than was asked: round up.",
        ),
        Mistake(
            lambda phi, noise, prior, target: math.ceil(noise**2 / (target**2 * (phi @ phi))),
            "A label measures f itself and not a weight: its precision for f is 1/σ², whatever the features are.",
        ),
    ),
)


def temperature(beta, num_data, batch_size):
    return beta * num_data


exercise_3 = Exercise(
    name="bayesian_neural_networks.exercise_3",
    title="The temperature of somebody else's code",
    answer=temperature,
    explanation="N times the mean loss is the batch's estimate of the sum, so N times the whole is that plus β·N·KL: T = β·N. "
    "For 50,000 examples and β = 1e-5 it is 0.5, and each label counts twice.",
    hints=(
        "The mean over a random batch estimates the mean over all data, whatever the size of the batch.",
        "Multiply the loss by N, so that its first term estimates the sum in the box. What stands in front of the KL?",
    ),
    cases=((1e-5, 50_000, 100), (0.1, 300, 10), (1.0, 60_000, 60)),
    mistakes=(
        Mistake(
            lambda beta, num_data, batch_size: beta,
            "That would be so if the first term were a sum over all data. It is a mean.",
        ),
        Mistake(
            lambda beta, num_data, batch_size: beta * batch_size,
            "A batch's mean stands for the mean over all N data, not for the batch: its size drops out.",
        ),
        Mistake(
            lambda beta, num_data, batch_size: beta * num_data / batch_size,
            "The number of batches has no part in it: cross_entropy has divided by the size of the batch already.",
        ),
        Mistake(
            lambda beta, num_data, batch_size: 1 / (beta * num_data),
            "This is how many times each label counts. T is what stands in front of the KL.",
        ),
        Mistake(
            lambda beta, num_data, batch_size: beta / num_data,
            "The mean loss is the sum divided by N. To get the sum back you multiply by N, and the KL with it.",
        ),
    ),
)


def laplace_std(jacobian_N_D, probs_N, prior_std, jacobian_D):
    return _tangent_std(jacobian_N_D, probs_N * (1 - probs_N), prior_std**-2, jacobian_D)


def _tangent_std(jacobian_N_D, curvature_N, prior_precision, jacobian_D):
    """The width of the tangent from any curvature and prior, right or wrong."""
    precision_D_D = _precision(jacobian_N_D, curvature_N, prior_precision)
    return (jacobian_D @ torch.linalg.solve(precision_D_D, jacobian_D)).sqrt()


def _precision(jacobian_N_D, curvature_N, prior_precision):
    return jacobian_N_D.T @ (curvature_N[:, None] * jacobian_N_D) + prior_precision * torch.eye(jacobian_N_D.shape[1])


exercise_4 = Exercise(
    name="bayesian_neural_networks.exercise_4",
    title="Laplace at one place",
    answer=laplace_std,
    explanation="Λ = Σ p(1 - p) JᵀJ + I/s², and the variance of f is J Λ⁻¹ Jᵀ. An image with p = 0.999 adds a thousandth, one "
    "with p = 0.5 a quarter: what the network is sure of already narrows nothing.",
    hints=(
        "First Λ, a D x D matrix: the prior's 1/s² on the diagonal, and for each image its curvature times JᵀJ.",
        "The curvature of a label is largest at p = 0.5: p(1 - p). Multiply each row of the Jacobian by it before `.T @`.",
        "Then the box of the two ways to predict: the variance is J Λ⁻¹ Jᵀ. `torch.linalg.solve(precision, jacobian_D)`.",
    ),
    cases=(
        (
            torch.tensor([[1.0, 0.5], [0.5, -1.0], [2.0, 1.0]]),
            torch.tensor([0.9, 0.5, 0.7]),
            2.0,
            torch.tensor([1.0, -2.0]),
        ),
        (
            torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]),
            torch.tensor([0.2, 0.6, 0.99]),
            1.5,
            torch.tensor([1.0, 9.0]),
        ),
        (torch.tensor([[3.0], [-1.0]]), torch.tensor([0.8, 0.3]), 0.5, torch.tensor([2.0])),
    ),
    tolerance=1e-4,
    mistakes=(
        Mistake(
            lambda rows, probs, prior, at: _tangent_std(rows, torch.ones_like(probs), prior**-2, at),
            "Each label counts alike here, as for normal noise of 1. The curvature of a label is p(1 - p).",
        ),
        Mistake(
            lambda rows, probs, prior, at: _tangent_std(rows, probs, prior**-2, at),
            "A label weighs p here, most where the network is sure. Its curvature is p(1 - p), and vanishes at both ends.",
        ),
        Mistake(
            lambda rows, probs, prior, at: laplace_std(rows, probs, prior, at) ** 2,
            "This is the variance. The standard deviation is its root.",
        ),
        Mistake(
            lambda rows, probs, prior, at: _tangent_std(rows, probs * (1 - probs), 0.0, at),
            "The prior is missing. Without its 1/s² nothing holds a direction that no label measures.",
        ),
        Mistake(
            lambda rows, probs, prior, at: _tangent_std(rows, probs * (1 - probs), prior**2, at),
            "Precisions add up, and the prior's is 1/s².",
        ),
        Mistake(
            lambda rows, probs, prior, at: (
                (at.square() / _precision(rows, probs * (1 - probs), prior**-2).diagonal()).sum().sqrt()
            ),
            "You inverted the diagonal alone, as if each weight had to move by itself. Keep the correlations.",
        ),
        Mistake(
            lambda rows, probs, prior, at: (at @ _precision(rows, probs * (1 - probs), prior**-2) @ at).sqrt(),
            "Λ is a precision. The covariance of the weights is its inverse.",
        ),
    ),
)

exercise_5 = Exercise(
    name="bayesian_neural_networks.exercise_5",
    title="How many times the same function",
    answer=math.factorial(4) * 2**4,
    explanation="Four units can stand in 4! = 24 orders, and each can be flipped, 2⁴ = 16: together 384.",
    hints=(
        "How many orders are there for four units? And how many ways to choose which of them are flipped?",
        "Every order can be combined with every choice of flips.",
    ),
    mistakes=(
        Mistake(math.factorial(4), "These are the orders. Each unit can also be flipped, in every order."),
        Mistake(2**4, "These are the flips. The units can also change places."),
        Mistake(math.factorial(4) + 2**4, "Orders and flips combine freely, so their numbers multiply."),
        Mistake(math.factorial(4) * 2, "Each unit can be flipped on its own: that is 2⁴ choices, not 2."),
    ),
)
