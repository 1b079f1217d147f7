"""Exercises of the notebook `bayesian_classification`."""

import math

import torch
from torch.nn.functional import logsigmoid

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("02", "Why is the classifier so sure about the star?")

prediction_1 = Exercise(
    name="bayesian_classification.prediction_1",
    title="How sure should you be?",
    question="Marker B has never been measured beyond 0.8. It may matter, or it may not. You are the doctor, without any "
    "classifier. How probable is it that the star is ill?",
    choices={
        "A": "Almost certain: 0.95 or more",
        "B": "More probable than not, but far from sure",
        "C": "Exactly one half: nothing is known",
    },
    answer="B",
    explanation="Marker A puts her on the ill side. What a marker B of eight does, no patient has shown.",
    hints=(
        "Cover marker B with your hand. Where is she among the others?",
        "Now cover marker A. Which of the ten patients tells you what a large marker B means?",
    ),
    mistakes=(
        Mistake(
            "A", "For that you would have to know that a marker B of eight does not matter. Who of the ten told you so?"
        ),
        Mistake("C", "Something is known: her marker A is like that of the ill. One half would throw that away."),
    ),
)


def log_posterior(w, x, y, alpha):
    scores = x @ w
    log_likelihood = (y * logsigmoid(scores) + (1 - y) * logsigmoid(-scores)).sum()
    return log_likelihood - alpha / 2 * (w @ w)


def ills_alone(w, x, y, alpha):
    return (y * logsigmoid(x @ w)).sum() - alpha / 2 * (w @ w)


POINTS = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.3, -2.0]], dtype=torch.float64)

exercise_1 = Exercise(
    name="bayesian_classification.exercise_1",
    title="The log posterior",
    answer=log_posterior,
    explanation="One log probability a patient, summed, and one penalty for the weights, subtracted once.",
    hints=(
        "`logsigmoid(s)` is the log probability of ill, `logsigmoid(-s)` that of well. `y` picks one of the two.",
        "The log of N(w | 0, I/α) is -α/2 times the squared length of w, plus a constant that you may drop.",
    ),
    cases=(
        (torch.tensor([0.5, -1.0], dtype=torch.float64), POINTS, torch.tensor([1, 0, 1]), 0.1),
        (torch.tensor([2.0, 1.0], dtype=torch.float64), POINTS, torch.tensor([1, 0, 0]), 4.0),
    ),
    mistakes=(
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, alpha * len(y)) / len(y),
            "You averaged over the patients. Probabilities multiply, so their logarithms add: each patient counts in full.",
        ),
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, -alpha),
            "The sign of the prior is turned: long weights now gain. Its logarithm must fall as the weights grow.",
        ),
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, 1 / alpha),
            "You use α as a variance: w·w / (2α). It is a precision, an inverse variance, so it multiplies: α w·w / 2.",
        ),
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, 2 * alpha),
            "The half is missing. The exponent of a Gaussian is minus one half of precision times square.",
        ),
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, alpha * len(y)),
            "You subtract the penalty once for every patient. There is one w, so its prior counts once.",
        ),
        Mistake(
            lambda w, x, y, alpha: log_posterior(w, x, y, 0.0),
            "This is the log likelihood alone. Add the logarithm of the prior.",
        ),
        Mistake(ills_alone, "Only the ill count here. A well patient adds ln(1 - p), which is `logsigmoid(-score)`."),
        Mistake(
            lambda w, x, y, alpha: -log_posterior(w, x, y, alpha),
            "The sign of the whole is turned: this is the loss that one minimises. The log posterior is its negative.",
        ),
    ),
)


def grid_mean(log_joint, areas, values):
    mass = torch.exp(log_joint - log_joint.max()) * areas
    return (mass * values).sum() / mass.sum()


def without_areas(log_joint, areas, values):
    return grid_mean(log_joint, torch.ones_like(areas), values)


EQUAL = torch.ones(4, dtype=torch.float64)
UNEQUAL = torch.tensor([1.0, 1.0, 4.0, 4.0], dtype=torch.float64)
HEIGHTS = torch.tensor([-1.0, 0.0, -2.0, -0.5], dtype=torch.float64)
VALUES = torch.tensor([0.9, 0.6, 0.2, 0.1], dtype=torch.float64)

exercise_2 = Exercise(
    name="bayesian_classification.exercise_2",
    title="An average over a grid",
    answer=grid_mean,
    explanation="Height times area is mass; mass over total mass is the share. The largest exponent is taken off first.",
    hints=(
        "The mass of a cell is `exp(log_joint)` times its area.",
        "The heights are known up to a constant only, so divide by the total mass.",
        "`exp(-2000)` is 0 on a computer. Subtract the maximum of `log_joint` first: the constant cancels anyway.",
    ),
    cases=((HEIGHTS, EQUAL, VALUES), (HEIGHTS, UNEQUAL, VALUES), (HEIGHTS - 2000, UNEQUAL, VALUES)),
    mistakes=(
        Mistake(
            lambda log_joint, areas, values: (torch.exp(log_joint) * areas * values).sum(),
            "The masses do not sum to one yet. Divide by their total, which is the evidence.",
        ),
        Mistake(
            without_areas,
            "The first grid, of equal cells, is right. In the second some cells are larger and hold more mass: use `areas`.",
        ),
        Mistake(
            lambda log_joint, areas, values: (
                (torch.exp(log_joint) * areas * values).sum() / (torch.exp(log_joint) * areas).sum()
            ),
            "Right on paper. In the third case every `exp` underflows to 0, and 0/0 is nan: subtract the maximum first.",
        ),
        Mistake(
            lambda log_joint, areas, values: (log_joint * areas * values).sum() / (log_joint * areas).sum(),
            "You weigh with the logarithm of the density. Take `exp` of it.",
        ),
        Mistake(
            lambda log_joint, areas, values: (areas * values).sum() / areas.sum(),
            "Every weight counts alike here. Those that explain the labels better must count more.",
        ),
    ),
)


def entropy(probability):
    """Of a yes or no, in nats."""
    return torch.special.entr(probability) + torch.special.entr(1 - probability)


def doubt_left(star, patient, shares):
    p_ill = shares @ patient
    star_if_ill = (shares * patient) @ star / p_ill
    star_if_well = (shares * (1 - patient)) @ star / (1 - p_ill)
    return p_ill * entropy(star_if_ill) + (1 - p_ill) * entropy(star_if_well)


SHARES = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
STAR_SAYS = torch.tensor([0.98, 0.90, 0.03], dtype=torch.float64)

exercise_3 = Exercise(
    name="bayesian_classification.exercise_3",
    title="Which patient would settle it?",
    answer=doubt_left,
    explanation="Each answer moves the shares of the lines, and the doubt is averaged over the answers as often as they come.",
    hints=(
        "If the patient turns out ill, Bayes' rule multiplies the share of each line by what it said: `shares * patient`.",
        "Divide by their total, which is the probability that the patient is ill, and average the star's opinions again.",
        "Do the same for `1 - patient`, take both entropies, and weigh each with the probability of its answer.",
    ),
    cases=(
        (STAR_SAYS, torch.tensor([0.90, 0.80, 0.10], dtype=torch.float64), SHARES),
        (STAR_SAYS, torch.tensor([0.90, 0.10, 0.85], dtype=torch.float64), SHARES),
        (STAR_SAYS, torch.tensor([0.70, 0.70, 0.70], dtype=torch.float64), SHARES),
    ),
    mistakes=(
        Mistake(
            lambda star, patient, shares: entropy(shares @ star),
            "This is the doubt before the patient is known. Let both possible answers move the shares first.",
        ),
        Mistake(
            lambda star, patient, shares: entropy((shares * patient) @ star / (shares @ patient)),
            "You take it for granted that the patient is ill. Nobody knows yet: average over both answers.",
        ),
        Mistake(
            lambda star, patient, shares: (
                0.5 * entropy((shares * patient) @ star / (shares @ patient))
                + 0.5 * entropy((shares * (1 - patient)) @ star / (shares @ (1 - patient)))
            ),
            "Both answers count one half here. Each counts as often as it comes: she is ill with `shares @ patient`.",
        ),
        Mistake(
            lambda star, patient, shares: (
                (shares @ patient) * entropy((shares * patient) @ star)
                + (shares @ (1 - patient)) * entropy((shares * (1 - patient)) @ star)
            ),
            "The new shares do not sum to one. Divide by their total before you average the star's opinions.",
        ),
        Mistake(
            lambda star, patient, shares: shares @ entropy(star),
            "You average the doubt of the single lines. Each is sure; average the opinions first, then take the entropy.",
        ),
        Mistake(
            lambda star, patient, shares: doubt_left(star, patient, shares) / math.log(2),
            "The number is right in bits. We count in nats: the natural logarithm.",
        ),
    ),
)

prediction_2 = Exercise(
    name="bayesian_classification.prediction_2",
    title="Ten times as far away",
    question="Move the star straight away from the patients, along the ray from the origin through her, to ten times the "
    "distance. What happens to the two probabilities?",
    choices={
        "A": "Both tend to 1",
        "B": "The best line's tends to 1, the average's to one half",
        "C": "The best line's tends to 1, the average's stays where it is",
    },
    answer="C",
    explanation="Each line grows surer with distance, but none changes its mind. The average tends to the share that says ill.",
    hints=(
        "A line's probability depends on the distance from it. What becomes of a line that says 0.98, of one that says 0.02?",
        "Moving straight away from the origin, a patient never crosses a line. Which share of the lines says ill?",
    ),
    mistakes=(
        Mistake(
            "A",
            "True of each line. But the lines that say well grow surer too, and they keep their share of the average.",
        ),
        Mistake("B", "One would like that. But no line changes its mind on the way, so the share that says ill stays."),
    ),
)


prediction_3 = Exercise(
    name="bayesian_classification.prediction_3",
    title="A hundred claims of more than 0.99",
    question="In two worlds of three the best line claims more than 0.99 for its star, for ill or for well. "
    "Of a hundred such claims, how many are wrong?",
    answer=17,
    tolerance=0.5,
    explanation="About seventeen in a hundred, where 0.99 promises fewer than one.",
    hints=(
        "A claim of 0.99 promises at most one mistake in a hundred. Does the best line know enough to promise that?",
        "The claim hangs on the sign of the weight of marker B, which ten patients with small B hardly show.",
    ),
    mistakes=(
        Mistake(
            1, "That is what 0.99 promises. The best line makes the promise without having seen anybody like the star."
        ),
        Mistake(
            5, "It is worse. The sign of marker B's weight, on which the star depends, is little more than a guess."
        ),
        Mistake(50, "So bad it is not: marker A and the little that is known about B still help."),
    ),
)

exercise_4 = Exercise(
    name="bayesian_classification.exercise_4",
    title="Let the flights choose the prior",
    answer=0.931,
    tolerance=5e-4,
    explanation="The evidence is highest at α = 1, though by 0.08 nats only over α = 0.1. A narrower prior makes flatter "
    "lines, and 31 °F less certain.",
    hints=(
        "`grid_posterior(...).log_evidence` for each of the five precisions. The highest wins.",
        "Then average the probability at 31 °F over that posterior, with `average_probability`.",
    ),
    mistakes=(
        Mistake(0.984, "This is the average for α = 0.1, the prior of the star. Do the flights prefer another one?"),
        Mistake(0.9827, "The right prior, but one line only: average over its posterior."),
        Mistake(
            0.9895, "You chose the widest prior: there the best line fits best. Compare evidences, not likelihoods."
        ),
        Mistake(0.679, "You chose the narrowest prior. Look for the highest log evidence; all five are negative."),
    ),
)


def moderated(mean, covariance, x):
    score, variance = x @ mean, x @ covariance @ x
    return torch.sigmoid(score / torch.sqrt(1 + math.pi / 8 * variance))


def with_variance(variance):
    """MacKay's formula with a wrong variance of the score."""
    return lambda mean, covariance, x: torch.sigmoid(x @ mean / torch.sqrt(1 + math.pi / 8 * variance(covariance, x)))


MEAN = torch.tensor([2.0, 0.4], dtype=torch.float64)
STAR, NEAR = torch.tensor([1.0, 8.0], dtype=torch.float64), torch.tensor([-1.0, 0.5], dtype=torch.float64)
COVARIANCE = torch.tensor([[2.0, -0.9], [-0.9, 8.0]], dtype=torch.float64)

exercise_5 = Exercise(
    name="bayesian_classification.exercise_5",
    title="MacKay's correction",
    answer=moderated,
    explanation="The surer the weights, the smaller the variance v, and the less is taken off.",
    hints=(
        "The score w·x is a sum of Gaussians. Its mean is m·x.",
        "Its variance is v = xᵀSx: in code `x @ covariance @ x`.",
        "Divide the mean by √(1 + π v/8), and take the sigmoid last.",
    ),
    cases=((MEAN, COVARIANCE, STAR), (MEAN, COVARIANCE, NEAR), (MEAN, 0 * COVARIANCE, STAR)),
    mistakes=(
        Mistake(
            with_variance(lambda covariance, x: torch.sqrt(x @ covariance @ x)),
            "You put the standard deviation √v where the formula has the variance v.",
        ),
        Mistake(
            with_variance(lambda covariance, x: (covariance.diagonal() * x.square()).sum()),
            "You use the diagonal of S only. The weights are correlated, and xᵀSx counts that.",
        ),
        Mistake(
            with_variance(lambda covariance, x: 64 / math.pi**2 * (x @ covariance @ x)),
            "The factor is π/8, about 0.39. Yours is 8/π.",
        ),
        Mistake(
            lambda mean, covariance, x: torch.sigmoid(x @ mean) / torch.sqrt(1 + math.pi / 8 * (x @ covariance @ x)),
            "You divide the probability, so that great doubt leads to 0. Divide the score: great doubt leads to one half.",
        ),
        Mistake(
            lambda mean, covariance, x: torch.sigmoid(x @ mean / (1 + math.pi / 8 * (x @ covariance @ x))),
            "The square root is missing.",
        ),
        Mistake(
            lambda mean, covariance, x: torch.sigmoid(x @ mean),
            "This is the prediction of the mean weights alone. The variance of the score must enter.",
        ),
    ),
)
