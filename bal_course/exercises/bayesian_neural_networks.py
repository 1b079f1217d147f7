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
    question="How wide is the mean-field band in the gap, compared with that of NUTS?",
    choices={"A": "wider", "B": "about the same", "C": "narrower"},
    answer="C",
    explanation="Width in the gap needs weights that move together; independent ones that move that far spoil the data.",
    hints=(
        "In notebook 04 a mean-field q had a variance 1/Λ for each weight, and that was too small or too large?",
        "To bend in the gap and not at the data, several weights have to move together.",
    ),
    mistakes=(
        Mistake("A", "Its weights are free of one another, but each may move only as far as the data allow it alone."),
        Mistake(
            "B", "That would need it to leave the data alone while it bends between them, which takes correlation."
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


def laplace_std(features_N_D, noise_std, prior_std, feature_D):
    precision_D_D = features_N_D.mT @ features_N_D / noise_std**2 + torch.eye(len(feature_D)) / prior_std**2
    return (feature_D @ torch.linalg.solve(precision_D_D, feature_D)).sqrt()


def _laplace_variance(features_N_D, noise_precision, prior_precision, feature_D):
    """The variance of f from any two precisions, right or wrong."""
    precision_D_D = noise_precision * features_N_D.mT @ features_N_D + prior_precision * torch.eye(len(feature_D))
    return feature_D @ torch.linalg.solve(precision_D_D, feature_D)


FEATURES = torch.tensor([[1.0, 0.3, -0.8], [1.0, -0.5, 0.4], [1.0, 0.9, 0.1], [1.0, -0.2, -0.6]])

exercise_2 = Exercise(
    name="bayesian_neural_networks.exercise_2",
    title="Laplace, for a layer of features",
    answer=laplace_std,
    explanation="The Jacobian of a linear layer is its features: Λ = ΦᵀΦ/σ² + I/s², and the variance of f is φᵀ Λ⁻¹ φ.",
    hints=(
        "For a layer that is linear in its weights, what is the Jacobian of the output by the weights?",
        "Λ has two terms: the features' outer products over the variance of the noise, and the prior's precision.",
        "The variance is feature_D @ torch.linalg.solve(precision_D_D, feature_D). Which number is asked for?",
    ),
    cases=(
        (FEATURES, 0.3, 1.5, torch.tensor([1.0, 2.0, -1.0])),
        (FEATURES[:2], 2.0, 0.5, torch.tensor([1.0, 0.0, 3.0])),
        (FEATURES[:, :1], 0.5, 3.0, torch.tensor([1.0])),
    ),
    tolerance=1e-4,
    mistakes=(
        Mistake(
            lambda phi, noise, prior, at: _laplace_variance(phi, noise**-2, prior**-2, at),
            "This is the variance. The standard deviation is its square root.",
        ),
        Mistake(
            lambda phi, noise, prior, at: _laplace_variance(phi, 1 / noise, 1 / prior, at).sqrt(),
            "Both standard deviations stand where variances belong: a precision is one over the square.",
        ),
        Mistake(
            lambda phi, noise, prior, at: _laplace_variance(phi, noise**-2, prior**2, at).sqrt(),
            "The prior's precision is one over its variance; you added the variance.",
        ),
        Mistake(
            lambda phi, noise, prior, at: _laplace_variance(phi, 1, prior**-2, at).sqrt(),
            "The noise is missing: data with little noise fix the weights better. Divide ΦᵀΦ by its variance.",
        ),
        Mistake(
            lambda phi, noise, prior, at: _laplace_variance(phi, noise**-2 / len(phi), prior**-2, at).sqrt(),
            "You took the mean over the data. Their information adds up: a sum.",
        ),
        Mistake(
            lambda phi, noise, prior, at: (noise**2 + _laplace_variance(phi, noise**-2, prior**-2, at)).sqrt(),
            "This is the standard deviation of a new observation. Asked for is that of f, without the noise.",
        ),
        Mistake(
            lambda phi, noise, prior, at: (at.square() / ((phi / noise).square().sum(dim=0) + prior**-2)).sum().sqrt(),
            "You kept only the diagonal of Λ, which is mean field. Laplace keeps the correlations: solve with the matrix.",
        ),
    ),
)


def minibatch_objective(log_lik_K_B, kl, num_data):
    num_batch = log_lik_K_B.shape[1]
    return kl - num_data / num_batch * log_lik_K_B.sum(dim=1).mean()


exercise_3 = Exercise(
    name="bayesian_neural_networks.exercise_3",
    title="One step of Bayes by Backprop",
    answer=minibatch_objective,
    explanation="The batch stands for all N, so its sum counts N/B times; draws are averaged; the KL is there once.",
    hints=(
        "Sum over the batch, average over the draws.",
        "A batch of B from N holds B/N of the sum over all the data. What makes up for that?",
        "The KL belongs to the whole posterior, not to a batch: it stays as it is.",
    ),
    cases=(
        (torch.tensor([[-1.0, -2.0, -0.5], [-0.7, -1.5, -1.1]]), torch.tensor(4.0), 12),
        (torch.tensor([[-0.2, -0.4], [-0.3, -0.6], [-0.1, -0.9]]), torch.tensor(10.0), 100),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda log_lik_K_B, kl, num_data: kl - log_lik_K_B.mean(),
            "A mean over the data with the whole KL: the KL counts N times too much, and the posterior stays at the prior.",
        ),
        Mistake(
            lambda log_lik_K_B, kl, num_data: kl - log_lik_K_B.sum(dim=1).mean(),
            "The batch is taken for all the data. Its sum has to count N/B times.",
        ),
        Mistake(
            lambda log_lik_K_B, kl, num_data: kl - num_data / log_lik_K_B.shape[1] * log_lik_K_B.sum(),
            "You summed over the draws. They estimate an expectation: average them.",
        ),
        Mistake(
            lambda log_lik_K_B, kl, num_data: kl / num_data - log_lik_K_B.mean(),
            "This is the objective per data point. It has the same minimum; the exercise asks for the one times N.",
        ),
        Mistake(
            lambda log_lik_K_B, kl, num_data: kl + num_data / log_lik_K_B.shape[1] * log_lik_K_B.sum(dim=1).mean(),
            "The sign of the likelihood is wrong: this would be made small by explaining the data badly.",
        ),
    ),
)


def mean_prediction(weights_K_3, x):
    u_K, c_K, v_K = weights_K_3.unbind(dim=1)
    return (v_K * torch.tanh(u_K * x + c_K)).mean()


def of_mean_weights(weights_K_3, x):
    u, c, v = weights_K_3.mean(dim=0)
    return v * torch.tanh(u * x + c)


def of_mean_layers(weights_K_3, x):
    u_K, c_K, v_K = weights_K_3.unbind(dim=1)
    return v_K.mean() * torch.tanh(u_K * x + c_K).mean()


exercise_4 = Exercise(
    name="bayesian_neural_networks.exercise_4",
    title="What K networks predict together",
    answer=mean_prediction,
    explanation="Each network computes its own output first; only outputs may be averaged.",
    hints=(
        "Run the network once for each row, then average the K outputs.",
        "`u_K, c_K, v_K = weights_K_3.unbind(dim=1)`, and one line with tanh.",
    ),
    cases=(
        (torch.tensor([[1.0, 0.5, 2.0], [-1.0, -0.5, -2.0]]), 1.0),
        (torch.tensor([[0.3, -0.2, 1.0], [2.0, 1.0, 0.5], [-1.5, 0.0, -1.2]]), -0.7),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            of_mean_weights,
            "You averaged the weights. A flipped copy of a network computes the same and cancels it: average the outputs.",
        ),
        Mistake(
            of_mean_layers,
            "You averaged each layer by itself. A row is one network: multiply within the row, then average the rows.",
        ),
        Mistake(
            lambda weights_K_3, x: len(weights_K_3) * mean_prediction(weights_K_3, x),
            "This is the sum. Divide by the number of networks.",
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
