"""Exercises of the notebook `mnist_bald`."""

import numpy as np
import torch

from bal_course.exercises.core import Exercise, Mistake
from bal_utils.theory.intervals import interval, quartiles

CHAPTER = ("12", "what a committee costs, votes, labels to reach an accuracy over seeds, a paired lead")

prediction_1 = Exercise(
    name="mnist_bald.prediction_1",
    title="What a committee of twenty costs",
    answer="2 times",
    explanation="The convolutions are most of the work, and they come before the first dropout: all masks share them.",
    hints=(
        "Which layers stand before the first dropout layer? What they compute does not depend on the mask.",
        "The second convolution alone needs about eight million multiplications, the dense layer half a million.",
    ),
    mistakes=(
        Mistake(
            "20 times", "That would hold if every mask needed its own convolutions. The first dropout comes later."
        ),
        Mistake(
            "10 times", "Sharing saves more than half: count the multiplications before and after the first dropout."
        ),
    ),
)

prediction_2 = Exercise(
    name="mnist_bald.prediction_2",
    title="Variation ratios of one network",
    answer="a random ten",
    explanation="One voter is always unanimous, all scores are 0, and the loop breaks ties at random.",
    hints=(
        "How many votes are there, and how many of them go to the most voted class?",
        "All candidates have the same score. What does the loop do with ties?",
    ),
    mistakes=(
        Mistake(
            "the least certain ten", "That is least confidence. Variation ratios count votes, however unsure the voter."
        ),
        Mistake(
            "the first ten",
            "Some scripts do that: they sort, and ties stay in the order of the data. Ours shuffles before it sorts.",
        ),
    ),
)

prediction_3 = Exercise(
    name="mnist_bald.prediction_3",
    title="A hundred at a time, after the first hundred",
    answer="behind",
    explanation="The hundred of highest score are a hundred of a kind: the batch teaches one lesson many times.",
    hints=(
        "Look at the sheet of what BALD asks for, ten at a time. Would a hundred be more varied, or less?",
        "The network that chose them has seen twenty images. All hundred are chosen by that one network.",
    ),
    mistakes=(
        Mistake("ahead", "Each label would be worth more than a random one by itself. A hundred of a kind are not."),
        Mistake("level", "The two differ by many points there. Think of what the hundred have in common."),
    ),
)


def variation_ratio(probs_K_C):
    votes_K = probs_K_C.argmax(dim=-1)
    return 1 - torch.bincount(votes_K).max() / len(votes_K)


exercise_1 = Exercise(
    name="mnist_bald.exercise_1",
    title="Variation ratio, by votes",
    answer=variation_ratio,
    explanation="Each member votes for its favourite; what is left is the share of votes that the winner did not get.",
    hints=(
        "`probs_K_C.argmax(dim=-1)` is one vote a member.",
        "`torch.bincount(votes_K).max()` counts the votes of the most voted class. One minus its share of K.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.1, 0.1, 0.8]]),),
        (torch.tensor([[0.51, 0.49], [0.49, 0.51], [0.6, 0.4]]),),
        (torch.tensor([[0.34, 0.33, 0.33]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_K_C: 1 - probs_K_C.mean(dim=0).max(),
            "This is least confidence, of the averaged prediction. The members must vote before anything is averaged.",
        ),
        Mistake(
            lambda probs_K_C: 1 - variation_ratio(probs_K_C),
            "This is the winner's share. Higher must mean: acquire. So take what the winner did not get.",
        ),
        Mistake(
            lambda probs_K_C: 1 - torch.bincount(probs_K_C.argmax(dim=-1)).max() / probs_K_C.shape[1],
            "You divided by the number of classes. The votes are as many as the members.",
        ),
    ),
)


def labels_quartiles(labels_R, accuracy_S_R, threshold):
    reached_S_R = np.asarray(accuracy_S_R) >= threshold
    first_S = [np.asarray(labels_R)[row][0] if row.any() else np.inf for row in reached_S_R]
    return quartiles(np.array(first_S, dtype=float))


def of_the_median_curve(labels_R, accuracy_S_R, threshold):
    median_R = np.median(accuracy_S_R, axis=0)
    reached = np.asarray(labels_R)[median_R >= threshold]
    return (float(reached[0]) if len(reached) else np.inf,) * 3


def without_the_unfinished(labels_R, accuracy_S_R, threshold):
    reached_S_R = np.asarray(accuracy_S_R) >= threshold
    return quartiles(np.array([np.asarray(labels_R)[row][0] for row in reached_S_R if row.any()], dtype=float))


def mean_and_ends(labels_R, accuracy_S_R, threshold):
    reached_S_R = np.asarray(accuracy_S_R) >= threshold
    first_S = [np.asarray(labels_R)[row][0] if row.any() else np.inf for row in reached_S_R]
    return min(first_S), float(np.mean(first_S)), max(first_S)


def interpolated(labels_R, accuracy_S_R, threshold):
    reached_S_R = np.asarray(accuracy_S_R) >= threshold
    first_S = [float(np.asarray(labels_R)[row][0]) if row.any() else np.inf for row in reached_S_R]
    with np.errstate(invalid="ignore"):  # between two infinities
        return np.quantile(first_S, (0.25, 0.5, 0.75))


FOUR_RUNS = np.array([[0.7, 0.91, 0.88, 0.95], [0.6, 0.7, 0.92, 0.93], [0.6, 0.7, 0.8, 0.91], [0.5, 0.7, 0.8, 0.9]])

exercise_2 = Exercise(
    name="mnist_bald.exercise_2",
    title="Labels to reach an accuracy, over seeds",
    answer=labels_quartiles,
    explanation="First the crossing of every run, infinity where there is none; then the quartiles of those counts.",
    hints=(
        "Run by run: the first of `labels_R` at which the accuracy is `threshold` or more, else `np.inf`.",
        "`np.quantile(first_S, (0.25, 0.5, 0.75), method='nearest')` takes values that occur, infinity among them.",
    ),
    cases=(
        ([20, 30, 40, 50], FOUR_RUNS, 0.9),
        ([20, 30, 40, 50], np.array([[0.7, 0.91, 0.88, 0.95], [0.6, 0.7, 0.8, 0.85], [0.6, 0.7, 0.8, 0.84]]), 0.9),
        ([20, 30, 40, 50], np.array([[0.5, 0.92, 0.5, 0.9], [0.5, 0.6, 0.93, 0.9], [0.5, 0.6, 0.5, 0.9]]), 0.9),
    ),
    mistakes=(
        Mistake(
            of_the_median_curve,
            "You took the median curve first. It crosses elsewhere: every run has its own first crossing, noise and all.",
        ),
        Mistake(
            without_the_unfinished,
            "Runs that never get there are missing from your count. They are the slow ones: keep them, as infinity.",
        ),
        Mistake(interpolated, "These lie between the runs. Take the nearest value that occurs: `method='nearest'`."),
        Mistake(mean_and_ends, "These are the smallest, the mean and the largest. Asked for are 25, 50 and 75 %."),
    ),
)


def paired_lead(mine_S_R, theirs_S_R):
    lead_S = 100 * (np.asarray(mine_S_R) - np.asarray(theirs_S_R))[:, 1:].mean(axis=1)
    return float(lead_S.mean()), *interval(lead_S)


def with_the_start(mine_S_R, theirs_S_R):
    lead_S = 100 * (np.asarray(mine_S_R) - np.asarray(theirs_S_R)).mean(axis=1)
    return float(lead_S.mean()), *interval(lead_S)


def unpaired(mine_S_R, theirs_S_R):
    mine_S, theirs_S = (100 * np.asarray(one)[:, 1:].mean(axis=1) for one in (mine_S_R, theirs_S_R))
    half = np.hypot(*(np.subtract(*interval(one)[::-1]) / 2 for one in (mine_S, theirs_S)))
    mean = mine_S.mean() - theirs_S.mean()
    return float(mean), float(mean - half), float(mean + half)


def normal_interval(mine_S_R, theirs_S_R):
    lead_S = 100 * (np.asarray(mine_S_R) - np.asarray(theirs_S_R))[:, 1:].mean(axis=1)
    half = 1.96 * lead_S.std(ddof=1) / np.sqrt(len(lead_S))
    return float(lead_S.mean()), float(lead_S.mean() - half), float(lead_S.mean() + half)


CURVES = np.random.default_rng(0).uniform(0.5, 0.9, (2, 5, 6)) + 0.1 * np.random.default_rng(1).normal(size=(5, 1))

exercise_3 = Exercise(
    name="mnist_bald.exercise_3",
    title="A paired lead and its interval",
    answer=paired_lead,
    explanation="Subtract seed by seed, average over the rounds after the first, then take the interval of those numbers.",
    hints=(
        "`(mine_S_R - theirs_S_R)[:, 1:].mean(axis=1)` is one number a seed. In points: times 100.",
        "`from bal_utils.theory.intervals import interval` gives the 95 % interval of the mean by Student's t.",
    ),
    cases=((CURVES[0], CURVES[1]), (CURVES[0, :3], CURVES[1, :3]), (CURVES[1, :2], CURVES[0, :2])),
    tolerance=1e-6,
    mistakes=(
        Mistake(
            with_the_start,
            "The first round is in your average. There both have the same labels and the same network: leave it out.",
        ),
        Mistake(
            unpaired,
            "You took the spread of each side by itself. What a pair shares, its start and its pool, must cancel first.",
        ),
        Mistake(
            normal_interval,
            "You used 1.96 standard errors. With a handful of seeds Student's t is much wider: 4.3 for three of them.",
        ),
    ),
)


def times_one_network(before, after, num_samples):
    return (before + num_samples * after) / (before + after)


exercise_4 = Exercise(
    name="mnist_bald.exercise_4",
    title="What a committee costs",
    answer=times_one_network,
    explanation="What stands before the first dropout is paid once, the rest once for each mask.",
    hints=(
        "One network costs `before + after`.",
        "The committee pays `before` once and `after` for each of its `num_samples` masks.",
    ),
    cases=((8_249_856, 496_896, 20), (8_249_856, 496_896, 100), (1.0, 3.0, 5), (2.0, 1.0, 1)),
    mistakes=(
        Mistake(
            lambda before, after, num_samples: num_samples,
            "Every mask pays for all layers here. What comes before the first dropout is the same for all of them.",
        ),
        Mistake(
            lambda before, after, num_samples: (before + num_samples * after) / after,
            "You compare with the part after the dropout alone. One network needs both parts.",
        ),
        Mistake(
            lambda before, after, num_samples: before + num_samples * after,
            "These are multiplications. The question is how many times those of one network.",
        ),
    ),
)
