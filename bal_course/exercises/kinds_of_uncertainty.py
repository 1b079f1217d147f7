"""Exercises of the notebook `kinds_of_uncertainty`."""

import math

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("03", "Noise, ignorance, or a stranger?")

prediction_1 = Exercise(
    name="kinds_of_uncertainty.prediction_1",
    title="Where the doubt shrinks most",
    question="Tomorrow the boat goes on its usual round again and brings home forty more soundings. At which of the three "
    "places does the doubt about the next sounding shrink most?",
    choices={"A": "A, at the dock", "B": "B, in the calm bay", "C": "C, where the boat has never been"},
    answer="B",
    explanation="The boat does visit the bay, only rarely: a few more soundings there fix a depth that is hardly known yet.",
    hints=(
        "At each place, ask what the doubt is made of: a shaking sounder, or missing soundings?",
        "Then ask whether the boat, on its usual round, will bring any new soundings to that place.",
    ),
    mistakes=(
        Mistake(
            "A", "There are many soundings around A already. What remains is the shaking of each one, and that stays."
        ),
        Mistake("C", "The boat never goes there. Twice as many soundings of somewhere else tell nothing about C."),
    ),
)

prediction_2 = Exercise(
    name="kinds_of_uncertainty.prediction_2",
    title="Fours that pass for something else",
    answer="C",
    explanation="Nothing in training ever told the network what the absence of a known digit looks like.",
    hints=(
        "The network has to divide a probability of one among nine digits, none of which is a four.",
        "A four shares strokes with nine, one and seven. Which side of their borders it falls on was never trained.",
    ),
    mistakes=(
        Mistake(
            "A",
            "That would need a network that knows where its knowledge ends. It only learned borders between nine digits.",
        ),
        Mistake(
            "B",
            "More than that. A four is far from most borders between the nine, and away from a border a softmax is sure.",
        ),
    ),
)


def total_std(means_K, variances_K):
    return (variances_K.mean() + means_K.var(correction=0)).sqrt()


exercise_1 = Exercise(
    name="kinds_of_uncertainty.exercise_1",
    title="The standard deviation of a committee",
    answer=total_std,
    explanation="Average the variances, add the variance of the means, take the square root last.",
    hints=(
        "Noise is the mean of the variances. Ignorance is the variance of the means, dividing by K (`correction=0`).",
        "Their sum is a variance, in square metres. The answer is asked for in metres.",
    ),
    cases=(
        (torch.tensor([0.0, 2.0, 4.0]), torch.tensor([1.0, 4.0, 9.0])),
        (torch.tensor([1.0, 1.0]), torch.tensor([0.25, 1.0])),
        (torch.tensor([-1.0, 1.0, 0.5, 0.0]), torch.tensor([0.1, 0.1, 0.2, 0.3])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda means_K, variances_K: variances_K.mean() + means_K.var(correction=0),
            "This is the variance, in square metres. The standard deviation is its square root.",
        ),
        Mistake(
            lambda means_K, variances_K: variances_K.sqrt().mean() + means_K.std(correction=0),
            "You averaged and added standard deviations. Only variances add; take the root once, at the end.",
        ),
        Mistake(
            lambda means_K, variances_K: (variances_K.sqrt().mean() ** 2 + means_K.var(correction=0)).sqrt(),
            "You averaged the standard deviations and squared that. The noise is the mean of the variances.",
        ),
        Mistake(
            lambda means_K, variances_K: variances_K.mean().sqrt(),
            "This is the noise alone. The members also contradict each other, and that is doubt too.",
        ),
        Mistake(
            lambda means_K, variances_K: means_K.std(correction=0),
            "This is the disagreement alone. Each member also expects noise.",
        ),
        Mistake(
            lambda means_K, variances_K: (variances_K.mean() + means_K.var()).sqrt(),
            "`.var()` divides by K - 1. The members are the whole committee here, not a sample of it: `correction=0`.",
        ),
    ),
)


def heteroscedastic_nll(mean, log_variance, target):
    return 0.5 * torch.exp(-log_variance) * (target - mean) ** 2 + 0.5 * log_variance + 0.5 * math.log(2 * math.pi)


exercise_2 = Exercise(
    name="kinds_of_uncertainty.exercise_2",
    title="The loss of a head that predicts a log-variance",
    answer=heteroscedastic_nll,
    explanation="The error counts in units of the noise it admits to, and admitting noise costs half its log-variance.",
    hints=(
        "Start from the density of N(μ, σ²) and take minus its logarithm. There are three terms.",
        "With s = log σ², dividing by σ² is multiplying by exp(-s), and log σ is s / 2.",
        "½ exp(-s) (y - μ)² + ½ s + ½ log 2π.",
    ),
    cases=(
        (torch.tensor(1.0), torch.tensor(0.5), torch.tensor(2.5)),
        (torch.tensor(0.0), torch.tensor(2.0), torch.tensor(-1.0)),
        (torch.tensor([0.0, 1.0]), torch.tensor([-1.2, 3.0]), torch.tensor([0.4, 1.0])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda mean, s, target: 0.5 * (target - mean) ** 2 / s + 0.5 * torch.log(s) + 0.5 * math.log(2 * math.pi),
            "You used the head's output as the variance. It is the log-variance: the variance is its exponential.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(s) * (target - mean) ** 2 + 0.5 * s + 0.5 * math.log(2 * math.pi),
            "The sign in the exponent: the error is divided by σ² = exp(s), so it is multiplied by exp(-s).",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-2 * s) * (target - mean) ** 2 + s + 0.5 * math.log(2 * math.pi),
            "You read s as log σ. It is log σ², so σ² = exp(s) and log σ = s / 2.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + s + 0.5 * math.log(2 * math.pi),
            "The ½ before s is missing: minus the log of 1/σ is log σ, which is half of log σ².",
        ),
        Mistake(
            lambda mean, s, target: torch.exp(-s) * (target - mean) ** 2 + 0.5 * s + 0.5 * math.log(2 * math.pi),
            "The ½ before the squared error is missing. Without it the loss learns twice the variance.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + 0.5 * math.log(2 * math.pi),
            "Nothing makes noise costly: this loss falls for ever as s grows. Where did log σ go?",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + 0.5 * s,
            "Only the constant ½ log 2π is missing. Gradients do not need it; a likelihood in nats does.",
        ),
    ),
)


def split_entropy(probs_K_C):
    noise = entr(probs_K_C).sum(dim=-1).mean()
    return torch.stack([noise, entr(probs_K_C.mean(dim=0)).sum() - noise])


def entropies_of_sums(probs_K_C):
    noise = entr(probs_K_C).sum()
    return torch.stack([noise, entr(probs_K_C.mean(dim=0)).sum() - noise])


exercise_3 = Exercise(
    name="kinds_of_uncertainty.exercise_3",
    title="Noise and ignorance of a committee, in nats",
    answer=split_entropy,
    explanation="Entropy before averaging is noise. What averaging adds to it is ignorance.",
    hints=(
        "`torch.special.entr(p)` is -p log p. Sum it over the classes to get an entropy.",
        "Noise: an entropy for each network, then the mean. All doubt: the mean of the networks, then its entropy.",
        "Return `torch.stack([noise, all_doubt - noise])`.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]),),
        (torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),),
        (torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_K_C: split_entropy(probs_K_C).flip(0), "The two are the wrong way round: noise comes first."
        ),
        Mistake(
            lambda probs_K_C: torch.stack([entr(probs_K_C.mean(dim=0)).sum(), split_entropy(probs_K_C)[1]]),
            "Your first number is the entropy of the mean: all the doubt. Noise is the mean of the entropies.",
        ),
        Mistake(
            lambda probs_K_C: torch.stack([split_entropy(probs_K_C)[0], entr(probs_K_C.mean(dim=0)).sum()]),
            "Your second number is all the doubt. Take the noise off it.",
        ),
        Mistake(
            entropies_of_sums, "You summed the networks' entropies. Average them: divide by the number of networks."
        ),
        Mistake(lambda probs_K_C: split_entropy(probs_K_C) / math.log(2), "These are bits. The course counts in nats."),
    ),
)


def noisy_log_prob(shaken_T_C, label):
    return torch.logsumexp(shaken_T_C.log_softmax(dim=-1)[:, label], dim=0) - math.log(len(shaken_T_C))


exercise_4 = Exercise(
    name="kinds_of_uncertainty.exercise_4",
    title="The likelihood of a label under noisy logits",
    answer=noisy_log_prob,
    explanation="Softmax each draw, average the probabilities, take the logarithm last, and do it all in log space.",
    hints=(
        "Each row of `shaken_T_C` is one draw of the logits. `log_softmax(dim=-1)` makes log-probabilities of it.",
        "The label's probability is the mean over the draws of its probability. `torch.logsumexp` adds in log space.",
        "A mean is a sum divided by T; in log space, subtract log T.",
    ),
    cases=(
        (torch.tensor([[2.0, 0.0, -1.0], [-1.0, 3.0, 0.0], [0.5, 0.5, 0.5]]), 0),
        (torch.tensor([[4.0, -4.0], [-4.0, 4.0]]), 1),
        (torch.tensor([[800.0, 0.0], [700.0, 0.0]]), 1),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda z_T_C, label: z_T_C.log_softmax(dim=-1)[:, label].mean(),
            "You averaged the logarithms. By Jensen's inequality that is never larger, and noise then never pays.",
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.mean(dim=0).log_softmax(dim=-1)[label],
            "You averaged the logits, where the noise cancels. Softmax first, then average.",
        ),
        Mistake(
            lambda z_T_C, label: torch.logsumexp(z_T_C.log_softmax(dim=-1)[:, label], dim=0),
            "This is the sum over the draws, and can exceed log 1. Subtract log T to make it a mean.",
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.softmax(dim=-1)[:, label].mean(), "A probability. The loss needs its logarithm."
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.softmax(dim=-1)[:, label].mean().log(),
            "Right in exact arithmetic, but the third case underflows to log 0. Stay in log space: `torch.logsumexp`.",
        ),
    ),
)

exercise_5 = Exercise(
    name="kinds_of_uncertainty.exercise_5",
    title="Four times the soundings",
    answer=math.sqrt(0.3**2 + 0.04 / 4),
    explanation="Noise 0.09 m² stays, ignorance falls from 0.04 to 0.01 m²: the root of 0.10 m² is 0.316 m, down from 0.361 m.",
    hints=(
        "Work in variances: the noise is 0.3² = 0.09 m², the ignorance 0.04 m².",
        "Two doublings halve one of the two parts twice. Take the root at the end.",
    ),
    tolerance=1e-3,
    mistakes=(
        Mistake(
            math.sqrt(0.09 / 4 + 0.04 / 4), "You let the noise shrink too. Each new sounding shakes like the old ones."
        ),
        Mistake(math.sqrt(0.09 + 0.04), "That is today's standard deviation. The ignorance has yet to shrink."),
        Mistake(0.3, "That is the noise alone. After 200 soundings some ignorance is still left."),
        Mistake(0.32, "Nearly. Two digits hide how much ignorance is left: give three."),
        Mistake(math.sqrt(0.09 + 0.04 / 2), "Four times the data is two doublings: the ignorance is halved twice."),
        Mistake(
            math.sqrt(0.09 + 0.04 / 16), "You divided by 16. Variance falls as 1/N: four times the data divide it by 4."
        ),
        Mistake(0.3 + math.sqrt(0.04 / 4), "You added standard deviations. Add the variances, then take the root."),
        Mistake(0.09 + 0.04 / 4, "This is the variance, in square metres. The question asks for metres."),
        Mistake(math.sqrt(0.3 + 0.04 / 4), "0.3 m is a standard deviation. Square it before you add it to a variance."),
        Mistake(math.sqrt(0.09 / 4 + 0.04), "The wrong part shrinks: more soundings take away ignorance, not noise."),
    ),
)
