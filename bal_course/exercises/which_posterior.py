"""Exercises of the notebook `which_posterior`."""

import math

import numpy as np
from scipy import stats

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("09", "Which of these should I use?")

prediction_1 = Exercise(
    name="which_posterior.prediction_1",
    title="Whose band in the gap is closest to the posterior's",
    question="Whose band in the gap, its place and its width, will be closest to that of the true posterior?",
    choices={"A": "the deep ensemble", "B": "MC-dropout", "C": "Laplace with all weights"},
    answer="C",
    explanation="With every weight free to move, and to move together, the curvature knows which moves the data forbid.",
    hints=(
        "In a gap the truth is wide. Which method lets all weights move, and move together?",
        "Notebook 08 showed the bands of Bayes by Backprop and of Laplace side by side with a sampler's.",
    ),
    mistakes=(
        Mistake(
            "A",
            "Five trainings towards one prior on thirty points come out nearly alike, and disagree less than the truth.",
        ),
        Mistake(
            "B",
            "A mask is as strong at the data as in the gap. Its band has nearly the same width at both.",
        ),
    ),
)

prediction_2 = Exercise(
    name="which_posterior.prediction_2",
    title="Which of two Laplaces predicts the digits better?",
    question=(
        "Laplace with all weights twice: one takes the prior width that its evidence prefers, the other the one that "
        "validation prefers. Whose NLL on clean test digits is lower?"
    ),
    choices={"A": "that of the evidence", "B": "that of validation", "C": "ten data sets cannot tell"},
    answer="B",
    explanation="The evidence asks for a wide prior, and there the prediction is too unsure of the digits it knows.",
    hints=(
        "The evidence judges the given model by the labels of training, validation judges predictions of new labels.",
        "If prior and approximation were both good, the two would hardly differ. Who says that they are?",
    ),
    mistakes=(
        Mistake("A", "The evidence trusts the prior and the Gaussian. A width that suits both need not predict best."),
        Mistake("C", "They can: the paired interval of the difference lies far from zero."),
    ),
)


def paired_interval(method_S, baseline_S):
    difference_S = np.asarray(method_S) - np.asarray(baseline_S)
    half = stats.t.ppf(0.975, len(difference_S) - 1) * difference_S.std(ddof=1) / math.sqrt(len(difference_S))
    return difference_S.mean() - half, difference_S.mean() + half


def interval_with(method_S, baseline_S, *, factor=None, ddof=1, root=True):
    """The interval, with one thing in it gone wrong."""
    difference_S = np.asarray(method_S) - np.asarray(baseline_S)
    count = len(difference_S)
    factor = factor or stats.t.ppf(0.975, count - 1)
    half = factor * difference_S.std(ddof=ddof) / (math.sqrt(count) if root else 1)
    return difference_S.mean() - half, difference_S.mean() + half


def unpaired(method_S, baseline_S):
    count = len(method_S)
    error = math.sqrt((np.var(method_S, ddof=1) + np.var(baseline_S, ddof=1)) / count)
    mean, half = np.mean(method_S) - np.mean(baseline_S), stats.t.ppf(0.975, 2 * count - 2) * error
    return mean - half, mean + half


exercise_1 = Exercise(
    name="which_posterior.exercise_1",
    title="The interval of a paired difference",
    answer=paired_interval,
    explanation="Subtract run by run, and what the runs share falls out before the spread is measured.",
    hints=(
        "Make one list of numbers first: method minus baseline, run by run. Everything else is about that list.",
        "Standard error: the standard deviation with `ddof=1`, divided by the root of the number of runs.",
        "`scipy.stats.t.ppf(0.975, runs - 1)` says how many standard errors to go to each side.",
    ),
    cases=(
        (np.array([0.24, 0.31, 0.19, 0.27, 0.22]), np.array([0.26, 0.32, 0.22, 0.28, 0.25])),
        (np.array([0.90, 0.85, 0.95]), np.array([0.88, 0.86, 0.90])),
        (np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([1.1, 1.8, 3.3, 3.9, 5.4, 6.0])),
    ),
    mistakes=(
        Mistake(
            unpaired,
            "You compared two groups as if their runs were unrelated. They share data: subtract run by run first.",
        ),
        Mistake(
            lambda method_S, baseline_S: interval_with(method_S, baseline_S, root=False),
            "This is where single runs fall. The mean of n runs is known better by a factor √n, which is missing.",
        ),
        Mistake(
            lambda method_S, baseline_S: interval_with(method_S, baseline_S, factor=1.96),
            "1.96 belongs to many runs. With few, the spread itself is uncertain: take Student's t with n - 1 degrees.",
        ),
        Mistake(
            lambda method_S, baseline_S: interval_with(method_S, baseline_S, ddof=0),
            "NumPy's `std` divides by n unless told `ddof=1`. With few runs that makes the interval too short.",
        ),
        Mistake(
            lambda method_S, baseline_S: interval_with(method_S, baseline_S, factor=1.96, ddof=0),
            "Too short twice: 1.96 belongs to many runs, and NumPy's `std` divides by n unless told `ddof=1`.",
        ),
        Mistake(
            lambda method_S, baseline_S: paired_interval(baseline_S, method_S),
            "The sign is turned: method minus baseline was asked for.",
        ),
    ),
)


def share_lost(chosen_by_N, worth_N, count):
    bought_n = np.argsort(-chosen_by_N)[:count]
    return 1 - worth_N[bought_n].sum() / np.sort(worth_N)[-count:].sum()


def share_of_others(chosen_by_N, worth_N, count):
    bought, best = (set(np.argsort(-scores_N)[:count].tolist()) for scores_N in (chosen_by_N, worth_N))
    return 1 - len(bought & best) / count


exercise_2 = Exercise(
    name="which_posterior.exercise_2",
    title="What a committee's favourites lose",
    answer=share_lost,
    explanation=(
        "The committee chooses, and the reference says what the choice is worth. Below the favourites the order does not "
        "matter: a committee that has the rest of the pool backwards loses nothing, and its rank correlation is poor."
    ),
    hints=(
        "`np.argsort(-chosen_by_N)[:count]` are the inputs that the committee buys.",
        "What are they worth to the reference, all together? And what would its own `count` best have been worth?",
    ),
    cases=(
        (np.array([0.4, 0.1, 0.3, 0.2]), np.array([0.1, 0.4, 0.3, 0.2]), 2),
        (np.array([0.9, 0.8, 0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.3, 0.2, 0.1]), 2),
        (np.array([0.05, 0.3, 0.02, 0.2, 0.01, 0.6]), np.array([0.3, 0.1, 0.25, 0.2, 0.05, 0.4]), 3),
    ),
    mistakes=(
        Mistake(
            lambda chosen_by_N, worth_N, count: 1 - share_lost(chosen_by_N, worth_N, count),
            "This is the share that is kept. Lost is one minus it.",
        ),
        Mistake(
            lambda chosen_by_N, worth_N, count: share_lost(-chosen_by_N, worth_N, count),
            "`argsort` begins with the smallest score, and these are bought last. Sort by minus the score.",
        ),
        Mistake(
            lambda chosen_by_N, worth_N, count: (
                1 - np.sort(chosen_by_N)[-count:].sum() / np.sort(worth_N)[-count:].sum()
            ),
            "You added up the committee's own scores. It may think what it likes: the reference says what they are worth.",
        ),
        Mistake(
            lambda chosen_by_N, worth_N, count: 1 - worth_N[np.argsort(-chosen_by_N)[:count]].sum() / worth_N.sum(),
            "Nobody can buy the whole pool. Compare with the best `count` of the reference.",
        ),
        Mistake(
            share_of_others,
            "You counted inputs that differ. One that is worth nearly as much is hardly a loss: add up what they are worth.",
        ),
    ),
)


def auroc_of_confidence(familiar_N, strange_M):
    gap_N_M = np.asarray(familiar_N)[:, None] - np.asarray(strange_M)[None]
    return ((gap_N_M > 0) + 0.5 * (gap_N_M == 0)).mean()


exercise_3 = Exercise(
    name="which_posterior.exercise_3",
    title="A detector that is given confidences",
    answer=auroc_of_confidence,
    explanation="A stranger should be *less* confident. Of all pairs, count those where it is; a tie counts half.",
    hints=(
        "Compare every familiar input with every stranger: a table of pairs, by broadcasting.",
        "A pair is won where the familiar input has the higher confidence. Equal confidences are half a win.",
    ),
    cases=(
        (np.array([0.99, 0.9, 0.8]), np.array([0.7, 0.85])),
        (np.array([1.0, 1.0, 0.6, 0.9]), np.array([1.0, 0.5, 0.6])),
        (np.array([0.95, 0.4]), np.array([0.97, 0.96, 0.5])),
    ),
    mistakes=(
        Mistake(
            lambda familiar_N, strange_M: 1 - auroc_of_confidence(familiar_N, strange_M),
            "The sign is turned. A score for strangers must grow with uncertainty, and confidence falls with it.",
        ),
        Mistake(
            lambda familiar_N, strange_M: (familiar_N[:, None] > strange_M[None]).mean(),
            "Ties went to nobody. Networks that saturate tie often; each tie is half a win.",
        ),
        Mistake(
            lambda familiar_N, strange_M: (familiar_N[:, None] >= strange_M[None]).mean(),
            "Ties counted as full wins. A detector that says the same of all would then score 1.",
        ),
    ),
)


def calibration_error(confidence_N, correct_N, num_bins):
    bin_N = np.minimum((confidence_N * num_bins).astype(int), num_bins - 1)
    return sum(
        (bin_N == b).mean() * abs(correct_N[bin_N == b].mean() - confidence_N[bin_N == b].mean())
        for b in np.unique(bin_N)
    )


def without_the_surest(confidence_N, correct_N, num_bins):
    inside_N = confidence_N < 1
    return calibration_error(confidence_N[inside_N], correct_N[inside_N], num_bins) * inside_N.mean()


def bins_alike(confidence_N, correct_N, num_bins):
    bin_N = np.minimum((confidence_N * num_bins).astype(int), num_bins - 1)
    gaps = [abs(correct_N[bin_N == b].mean() - confidence_N[bin_N == b].mean()) for b in np.unique(bin_N)]
    return np.mean(gaps)


exercise_4 = Exercise(
    name="which_posterior.exercise_4",
    title="The expected calibration error, bin by bin",
    answer=calibration_error,
    explanation=(
        "Averages within a bin first; then bins count by how many inputs they hold. The network of the text gets 0.00 "
        "with one bin and 0.19 with ten: calibrated by luck."
    ),
    hints=(
        "An input of confidence c belongs to bin ⌊c·B⌋, and a confidence of 1 to the last bin.",
        "In each bin: mean of `correct_N` minus mean of `confidence_N`, without its sign.",
        "Weigh each bin by its share of the inputs, and add up.",
    ),
    cases=(
        (np.array([0.95, 0.92, 0.97, 0.55]), np.array([1.0, 1.0, 0.0, 1.0]), 10),
        (np.array([0.99, 0.99, 0.62, 0.68, 0.71]), np.array([1.0, 1.0, 0.0, 1.0, 1.0]), 5),
        (np.array([1.0, 0.9, 0.8, 0.5]), np.array([0.0, 1.0, 1.0, 0.0]), 3),
    ),
    mistakes=(
        Mistake(
            lambda confidence_N, correct_N, num_bins: np.abs(confidence_N - correct_N).mean(),
            "You took the distance input by input. One input is right or wrong: average within a bin first.",
        ),
        Mistake(
            lambda confidence_N, correct_N, num_bins: abs(confidence_N.mean() - correct_N.mean()),
            "This is one bin for all. Too sure here and too modest there cancel in it: calibrated by luck.",
        ),
        Mistake(
            without_the_surest,
            "A confidence of 1 fell out of your bins. It belongs to the last one.",
        ),
        Mistake(
            bins_alike,
            "Your bins count alike, one input as much as a thousand. Weigh each bin by its share of the inputs.",
        ),
        Mistake(
            lambda confidence_N, correct_N, num_bins: confidence_N.mean() - correct_N.mean(),
            "You kept the sign, so bins of opposite sign cancel. Take the absolute value in each bin.",
        ),
    ),
)
