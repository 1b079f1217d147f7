"""Exercises of the notebook `deep_ensembles`."""

import math

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("07", "Do five networks know more than one?")

prediction_1 = Exercise(
    name="deep_ensembles.prediction_1",
    title="Where the truth leaves the band",
    question="At C, by how many of their standard deviations will the mean of the five miss the true sine?",
    choices={"A": "fewer than 2", "B": "2 to 5", "C": "more than 5"},
    answer="C",
    explanation="Beyond the data every ReLU network goes straight on, all in much the same direction. The sine turns round.",
    hints=(
        "A ReLU network is a straight line once it is past its last bend. What direction would that line have?",
        "The standard deviation holds the noise and the members' differences. How different are the directions of their lines?",
    ),
    mistakes=(
        Mistake("A", "That would need members that part beyond the data. They leave it in much the same direction."),
        Mistake(
            "B", "Still too few. The sine turns round soon after the last point, and the lines go on for two units."
        ),
    ),
)

prediction_2 = Exercise(
    name="deep_ensembles.prediction_2",
    title="How often one network beats five",
    question="On what share of the test images does the first network give the label more probability than the five together?",
    choices={"A": "less than one in ten", "B": "about one in four", "C": "more than four in ten"},
    answer="C",
    explanation="It beats them often, by little. When it loses, it can lose by a lot, and that decides the average.",
    hints=(
        "Most images are easy. There the five agree, and what the first says is a little above or below the others' mean.",
        "If the first were a member like any other, how often would it be above the average of all?",
    ),
    mistakes=(
        Mistake(
            "A",
            "That would need an ensemble that is better everywhere. The inequality is about an average over members.",
        ),
        Mistake(
            "B", "More often than that. Think of an easy image: five probabilities near one, their mean in the middle."
        ),
    ),
)

prediction_3 = Exercise(
    name="deep_ensembles.prediction_3",
    title="Where the differences come from",
    question="Measured by divergence, which source alone makes members more different?",
    choices={"A": "their initial weights", "B": "the order of the examples", "C": "about the same"},
    answer="A",
    explanation="Initial weights decide which features a network starts from. The order moves these small networks less.",
    hints=(
        "Two networks with the same initial weights start with the same hidden units, in the same order.",
        "In a thousand small steps, what moves a network further: another start, or another order of the same pushes?",
    ),
    mistakes=(
        Mistake("B", "Over an epoch every order delivers the same examples. The start is never evened out like that."),
        Mistake("C", "Each alone does make members differ. Measured as a divergence, they are far from equal."),
    ),
)


def mixture_mean_and_std(means_K, variances_K):
    return torch.stack([means_K.mean(), (variances_K.mean() + means_K.var(correction=0)).sqrt()])


def moments(variance):
    """A wrong answer with the right mean, from a function of means and variances."""
    return lambda means_K, variances_K: torch.stack([means_K.mean(), variance(means_K, variances_K).sqrt()])


exercise_1 = Exercise(
    name="deep_ensembles.exercise_1",
    title="Mean and standard deviation of a mixture",
    answer=mixture_mean_and_std,
    explanation="The mean of the variances plus the variance of the means, and one square root at the end.",
    hints=(
        "The mean is the mean of the means.",
        "The law of total variance has two terms: what each member expects as noise, and how far the members are apart.",
        "`variances_K.mean() + means_K.var(correction=0)` is the variance.",
    ),
    cases=(
        (torch.tensor([0.0, 2.0, 4.0]), torch.tensor([1.0, 4.0, 9.0])),
        (torch.tensor([1.5, 1.0]), torch.tensor([0.25, 1.0])),
        (torch.tensor([-1.0, 1.0, 0.5, 0.0, 3.0]), torch.tensor([0.1, 0.1, 0.2, 0.3, 0.2])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            moments(lambda means_K, variances_K: variances_K.mean()),
            "You averaged the variances and forgot the variance of the means. Five sure networks that contradict each other "
            "would come out as sure.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: (variances_K.mean() + means_K.var(correction=0)) ** 2),
            "Your second number is the variance. Take its root.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: variances_K.sqrt().mean() ** 2),
            "You averaged standard deviations. Variances are what averages, and the variance of the means is missing too.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: variances_K.sqrt().mean() ** 2 + means_K.var(correction=0)),
            "The first term is a mean of variances. You took the mean of the standard deviations and squared it.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: (variances_K.sqrt().mean() + means_K.std(correction=0)) ** 2),
            "Standard deviations do not add. Add the two variances, then take the root.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: means_K.var(correction=0)),
            "This is how far the members are apart. Each of them expects noise as well.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: variances_K.mean() / len(variances_K)),
            "You divided by K as for the mean of K measurements. Members see the same data; their noise is no average.",
        ),
        Mistake(
            moments(lambda means_K, variances_K: variances_K.mean() + means_K.var()),
            "`.var()` divides by K - 1. The members are the whole mixture, not a sample of it: `correction=0`.",
        ),
    ),
)


def ensemble_log_probs(logits_K_C):
    return logits_K_C.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits_K_C))


exercise_2 = Exercise(
    name="deep_ensembles.exercise_2",
    title="One prediction from K sets of logits",
    answer=ensemble_log_probs,
    explanation="Softmax for each network, then the mean of the probabilities, then the logarithm, all in log space.",
    hints=(
        "A mixture is an average of probabilities. Each network's softmax comes first.",
        "`logsumexp(dim=0)` of log-probabilities is the logarithm of their sum. A mean also divides by K.",
        "Dividing by K is subtracting `math.log(K)` in log space.",
    ),
    cases=(
        (torch.tensor([[4.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),),
        (torch.tensor([[2.0, -1.0], [5.0, 3.0], [0.0, 4.0]]),),
        (torch.tensor([[900.0, 0.0], [800.0, 0.0]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda logits_K_C: logits_K_C.mean(dim=0).log_softmax(dim=-1),
            "You averaged the logits. That is the geometric mean of the probabilities: one network with a large logit outvotes "
            "all others, and the guarantee of this notebook is about the arithmetic mean.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.log_softmax(dim=-1).mean(dim=0),
            "You averaged log-probabilities. The result does not even sum to one.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.log_softmax(dim=-1).logsumexp(dim=0),
            "You added the probabilities. A mean divides by K: subtract log K.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.softmax(dim=-1).mean(dim=0),
            "These are probabilities, and correct ones. The exercise asks for their logarithms.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.softmax(dim=-1).mean(dim=0).log(),
            "Right in principle, but the third case underflows: a probability of exp(-800) became zero. Stay in log space.",
        ),
    ),
)


def ensemble_nll(log_probs_N_K_C, labels_N):
    label_log_probs_N_K = log_probs_N_K_C[torch.arange(len(labels_N)), :, labels_N]
    return -(label_log_probs_N_K.logsumexp(dim=1) - math.log(log_probs_N_K_C.shape[1])).mean()


def members_nll(log_probs_N_K_C, labels_N):
    return -log_probs_N_K_C[torch.arange(len(labels_N)), :, labels_N].mean()


exercise_3 = Exercise(
    name="deep_ensembles.exercise_3",
    title="The NLL of an ensemble",
    answer=ensemble_nll,
    explanation="Average the probabilities over the members first; minus the logarithm comes after, the mean over images last.",
    hints=(
        "For each image you need the logarithm of a mean over K, then a mean over images of what comes out.",
        "`log_probs_N_K_C[torch.arange(N), :, labels_N]` picks the label's log-probability: [N, K].",
    ),
    cases=(
        (torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.7, 0.3]]]).log(), torch.tensor([0, 1])),
        (torch.tensor([[[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]]).log(), torch.tensor([2])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            members_nll,
            "This is the mean of the members' NLLs: what you get on average if you pick one network at random. By Jensen's "
            "inequality the NLL of the mean is never above it, and here you threw that gain away.",
        ),
        Mistake(
            lambda log_probs_N_K_C, labels_N: ensemble_nll(log_probs_N_K_C, labels_N) * len(labels_N),
            "You summed over the images. Scores of test sets of different size should be comparable: take the mean.",
        ),
        Mistake(
            lambda log_probs_N_K_C, labels_N: (
                ensemble_nll(log_probs_N_K_C, labels_N) - math.log(log_probs_N_K_C.shape[1])
            ),
            "You added the members' probabilities. Divide by K before the logarithm.",
        ),
    ),
)


def mixture_nll(means_K, variances_K, target):
    log_densities_K = -0.5 * ((target - means_K) ** 2 / variances_K + variances_K.log() + math.log(2 * math.pi))
    return math.log(len(means_K)) - log_densities_K.logsumexp(dim=0)


def gaussian_nll_of(mean, variance, target):
    return 0.5 * ((target - mean) ** 2 / variance + variance.log() + math.log(2 * math.pi))


exercise_4 = Exercise(
    name="deep_ensembles.exercise_4",
    title="The NLL of a mixture of Gaussians",
    answer=mixture_nll,
    explanation="Densities average; their logarithms, means and variances do not make a density by averaging.",
    hints=(
        "Write the log-density of the target under each member. The mixture's density is the mean of the densities.",
        "`logsumexp` over the members, minus log K, is the log-density. The answer has the other sign.",
    ),
    cases=(
        (torch.tensor([0.0, 2.0]), torch.tensor([0.25, 1.0]), torch.tensor(0.3)),
        (torch.tensor([-1.0, 1.0, 4.0]), torch.tensor([0.5, 0.1, 2.0]), torch.tensor(2.0)),
        (torch.tensor([0.0, 1.0]), torch.tensor([0.01, 0.005]), torch.tensor(5.0)),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda means_K, variances_K, target: gaussian_nll_of(means_K, variances_K, target).mean(),
            "This is the mean of the members' NLLs. The NLL of the mean density is never above it.",
        ),
        Mistake(
            lambda means_K, variances_K, target: gaussian_nll_of(
                means_K.mean(), variances_K.mean() + means_K.var(correction=0), target
            ),
            "This is the NLL of one Gaussian with the mixture's mean and variance: a good summary, another density.",
        ),
        Mistake(
            lambda means_K, variances_K, target: gaussian_nll_of(means_K.mean(), variances_K.mean(), target),
            "You averaged means and variances and used one Gaussian. It does not know that the members disagree.",
        ),
        Mistake(
            lambda means_K, variances_K, target: (
                (-gaussian_nll_of(means_K, variances_K, target)).exp().mean().log().neg()
            ),
            "Right on paper, but the third case underflows to log 0. Stay in log space: `logsumexp`.",
        ),
        Mistake(
            lambda means_K, variances_K, target: mixture_nll(means_K, variances_K**2, target),
            "You used the variances as standard deviations. Take their roots first.",
        ),
        Mistake(
            lambda means_K, variances_K, target: mixture_nll(means_K, variances_K, target) - math.log(len(means_K)),
            "You added the densities. A mixture of K weighs each by 1/K.",
        ),
    ),
)
