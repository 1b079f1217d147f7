"""Exercises of the notebook `bayesian_neural_networks`."""

import math

import torch
from torch.nn.functional import softplus

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("08", "What if every weight were a distribution?")

prediction_1 = Exercise(
    name="bayesian_neural_networks.prediction_1",
    title="A hundred times as many units",
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


def kl_to_prior(mean_D, rho_D, prior_std):
    variance_D = softplus(rho_D).square()
    return 0.5 * ((variance_D + mean_D**2) / prior_std**2 - 1 - torch.log(variance_D / prior_std**2)).sum()


def kl_from_variances(mean_D, variance_D, prior_variance):
    return 0.5 * ((variance_D + mean_D**2) / prior_variance - 1 - torch.log(variance_D / prior_variance)).sum()


exercise_2 = Exercise(
    name="bayesian_neural_networks.exercise_2",
    title="How far q is from the prior",
    answer=kl_to_prior,
    explanation="softplus(ρ) is the standard deviation, so it enters squared, as does the prior's; weights add up.",
    hints=(
        "softplus(ρ) = log(1 + exp ρ) is `torch.nn.functional.softplus`. It is a standard deviation.",
        "For one weight (notebook 04): log(s_p/s_q) + (s_q² + m²)/(2 s_p²) - ½.",
        "Independent weights: add their divergences.",
    ),
    cases=(
        (torch.tensor([0.0, 1.0]), torch.tensor([0.5, -2.0]), 1.5),
        (torch.tensor([-0.3]), torch.tensor([3.0]), 0.5),
        (torch.tensor([0.2, -1.4, 3.0]), torch.tensor([-3.0, 0.0, 1.0]), 2.0),
    ),
    tolerance=1e-4,
    mistakes=(
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_from_variances(mean_D, softplus(rho_D), prior_std**2),
            "You used softplus(ρ) as the variance. It is the standard deviation: square it.",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_from_variances(mean_D, softplus(rho_D) ** 2, prior_std),
            "You used the prior's standard deviation as its variance: square it.",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_from_variances(mean_D, softplus(rho_D), prior_std),
            "Both standard deviations stand where variances belong: square them.",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_from_variances(mean_D, rho_D.exp() ** 2, prior_std**2),
            "exp(ρ) is another parametrisation. Here the standard deviation is softplus(ρ) = log(1 + exp ρ).",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_from_variances(mean_D, prior_std**2, softplus(rho_D) ** 2),
            "This is KL(p‖q). The divergence is taken the other way round, from q to the prior.",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: kl_to_prior(mean_D, rho_D, prior_std) / len(mean_D),
            "You averaged over the weights. The divergence of independent weights is the sum.",
        ),
        Mistake(
            lambda mean_D, rho_D, prior_std: 2 * kl_to_prior(mean_D, rho_D, prior_std),
            "Twice too much: there is a ½ before the bracket.",
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
