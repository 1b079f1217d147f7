"""Exercises of the notebook `two_moons_explorer`."""

import math

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("11", "Where does each strategy look?")

prediction_1 = Exercise(
    name="two_moons_explorer.prediction_1",
    title="Where BALD asks",
    question="Where does BALD ask?",
    choices={"T": "at T, the toss-up", "G": "at G, in the gap", "S": "at S, in class 0"},
    answer="G",
    explanation="The networks contradict each other at G: two fifths of its doubt is disagreement. At T there is none.",
    hints=(
        "For each place, ask whether the networks would still doubt if each were certain of its own weights.",
        "At T they have seen hundreds of labels, and the labels themselves are mixed. One more changes nothing.",
    ),
    mistakes=(
        Mistake("T", "T has as much doubt as G, but of the kind that stays: all networks agree that it is a toss-up."),
        Mistake("S", "All networks give S the same class and are sure of it. Its label is known before it is bought."),
    ),
)

prediction_2 = Exercise(
    name="two_moons_explorer.prediction_2",
    title="BALD against margin and entropy",
    question="How many of the five points of margin and entropy does BALD ask for too?",
    choices={"none": "none of them", "some": "some of them", "all": "all five"},
    answer="some",
    explanation="Both look along the boundary. BALD takes the noise off the doubt there, so it exchanges some of the five.",
    hints=(
        "What a label teaches is never more than all doubt. Can BALD be high where entropy is low?",
        "Two points with the same averaged p have the same entropy. Must the networks contradict each other equally there?",
    ),
    mistakes=(
        Mistake(
            "none", "BALD is at most all doubt, and that is high only along the boundary. So BALD looks there too."
        ),
        Mistake(
            "all", "The averaged p does not settle the disagreement: at some of the five, more of the doubt is noise."
        ),
    ),
)


def bald_map(probs_G_K_C):
    all_doubt_G = entr(probs_G_K_C.mean(dim=1)).sum(dim=-1)
    noise_G = entr(probs_G_K_C).sum(dim=-1).mean(dim=1)
    return all_doubt_G - noise_G


exercise_1 = Exercise(
    name="two_moons_explorer.exercise_1",
    title="A map of BALD",
    answer=bald_map,
    explanation="Entropy after averaging, less entropy before averaging. It is never negative.",
    hints=(
        "`torch.special.entr(p)` is -p log p. Sum it over the last dimension, the classes, to get an entropy.",
        "All doubt: average over the networks (dimension 1), then take the entropy.",
        "Noise: take each network's entropy, then average over the networks. Subtract it from all doubt.",
    ),
    cases=(
        (torch.tensor([[[0.9, 0.1], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]]),),
        (torch.tensor([[[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]]),),
        (torch.tensor([[[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_G_K_C: -bald_map(probs_G_K_C),
            "The terms are the wrong way round: yours is noise less all doubt, which is never positive.",
        ),
        Mistake(
            lambda probs_G_K_C: entr(probs_G_K_C.mean(dim=1)).sum(dim=-1),
            "This is the first term alone, all doubt. It is the map of max entropy; take the noise off it.",
        ),
        Mistake(
            lambda probs_G_K_C: entr(probs_G_K_C).sum(dim=-1).mean(dim=1),
            "This is the second term alone, the noise, which BALD subtracts.",
        ),
        Mistake(
            lambda probs_G_K_C: entr(probs_G_K_C.mean(dim=1)).sum(dim=-1) - entr(probs_G_K_C).sum(dim=-1).sum(dim=1),
            "You summed the networks' entropies. Average them: divide by the number of networks.",
        ),
        Mistake(
            lambda probs_G_K_C: bald_map(probs_G_K_C) / math.log(2),
            "Yours is in bits. Take the natural logarithm, and the answer is in nats.",
        ),
        Mistake(
            lambda probs_G_K_C: probs_G_K_C.var(dim=1, correction=0).sum(dim=-1),
            "This is the variance of the probabilities over the networks. It looks similar, but it is not in nats.",
        ),
    ),
)


exercise_2 = Exercise(
    name="two_moons_explorer.exercise_2",
    title="BALD of one sample",
    answer=0.0,
    explanation="The average over one network is that network: both terms are its entropy, and their difference is zero.",
    hints=(
        "With K = 1, what is the mean over the samples?",
        "Entropy after averaging over one sample, and entropy before averaging over one sample: how do they differ?",
    ),
    mistakes=(
        Mistake(0.6109, "That is the entropy of (0.7, 0.3), all the doubt. One network calls all of it noise."),
        Mistake(0.4, "That is the difference of the two probabilities, the margin without its sign."),
        Mistake(0.6931, "That is log 2, the most that any label of two classes can teach. One sample cannot disagree."),
    ),
    tolerance=1e-3,
)


exercise_3 = Exercise(
    name="two_moons_explorer.exercise_3",
    title="A place whose doubt is half noise",
    answer=0.3899721,  # the root of h(½ + d) = log(2) / 2
    explanation="All doubt is log 2, since the mean is one half. Each network keeps h(½ + d), and h(0.89) is half of log 2.",
    hints=(
        "The mean of the two is one half, whatever d is. So what is all doubt?",
        "The noise is the entropy of (½ + d, ½ - d), the same for both networks. Make it half of log 2.",
        "Try p = ½ + d = 0.8, 0.9 and 0.89 in -p log p - (1 - p) log(1 - p), and compare with 0.347.",
    ),
    tolerance=0.006,
    mistakes=(
        Mistake(0.89, "That is the probability ½ + d. How far is it from one half?"),
        Mistake(0.25, "Half of the way is not half of the doubt: the entropy falls slowly at first. Compute h(0.75)."),
        Mistake(0.5, "Two networks that are certain leave no noise at all: everything can be removed."),
        Mistake(0.0, "Two networks that agree leave nothing to learn: all doubt is noise."),
        Mistake(0.11, "That is the smaller of the two probabilities, ½ - d."),
    ),
)

exercise_4 = Exercise(
    name="two_moons_explorer.exercise_4",
    title="Masks for a map",
    answer=16,
    explanation="0.04 / (2 · ½ · ½) = 0.08 nats, divided by K. With K = 16 the shortfall is 0.005 nats.",
    hints=(
        "The variance is the square of the standard deviation: 0.2² = 0.04.",
        "2 · ½ · (1 - ½) = ½. So the shortfall is 0.08 / K.",
    ),
    mistakes=(
        Mistake(20, "Enough, but not the smallest number."),
        Mistake(80, "You put the standard deviation in place of the variance. Square it."),
        Mistake(8, "You left out the division by 2 p̄ (1 - p̄), which is one half at p̄ = ½."),
        Mistake(4, "You multiplied by 2 p̄ (1 - p̄) instead of dividing."),
        Mistake(32, "2 p̄ (1 - p̄) is one half at p̄ = ½, and not one quarter."),
    ),
)
