"""Exercises of the notebook `two_moons_explorer`."""

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("11", "Where does each strategy look?")

prediction_1 = Exercise(
    name="two_moons_explorer.prediction_1",
    title="Where BALD asks",
    answer="G",
    explanation="In the gap each network is fairly sure and they contradict each other. Whatever the label, it refutes some.",
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
    title="Margin against entropy, with two classes",
    answer="the same points",
    explanation="With two classes both depend on |p - ½| alone and grow as it shrinks, so they rank every pool alike.",
    hints=(
        "With two classes the second probability is 1 - p. Write the margin as a function of p alone.",
        "The entropy of (p, 1 - p) is also a function of p alone. Where is it highest, and is it symmetric?",
    ),
    mistakes=(
        Mistake(
            "different points", "That needs a third class. With two, both are functions of how far p is from one half."
        ),
        Mistake(
            "it depends", "Neither noise nor posterior can part them: both see only the averaged p, and rank it alike."
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
        "With T = 1, what is the mean over the samples?",
        "Entropy after averaging over one sample, and entropy before averaging over one sample: how do they differ?",
    ),
    mistakes=(
        Mistake(0.6109, "That is the entropy of (0.7, 0.3), all the doubt. One network calls all of it noise."),
        Mistake(0.4, "That is the difference of the two probabilities, the margin without its sign."),
        Mistake(0.6931, "That is log 2, the most that any label of two classes can teach. One sample cannot disagree."),
    ),
    tolerance=1e-3,
)


def term_scales(all_doubt_G, noise_G):
    return torch.stack([all_doubt_G, noise_G]) / torch.maximum(all_doubt_G.max(), noise_G.max())


def each_by_its_maximum(all_doubt_G, noise_G):
    return torch.stack([all_doubt_G / all_doubt_G.max(), noise_G / noise_G.max()])


def each_by_its_range(all_doubt_G, noise_G):
    return torch.stack([(part - part.min()) / (part.max() - part.min()) for part in (all_doubt_G, noise_G)])


exercise_3 = Exercise(
    name="two_moons_explorer.exercise_3",
    title="Two maps that may be subtracted",
    answer=term_scales,
    explanation="One scale for both maps, zero staying zero: then the difference of the colours is the difference in nats.",
    hints=(
        "Subtracting two maps makes sense only where the same brightness means the same number of nats on both.",
        "Divide both by one number: the largest value on either map. Do not move the zero.",
    ),
    cases=(
        (torch.tensor([0.69, 0.60, 0.05]), torch.tensor([0.20, 0.58, 0.04])),
        (torch.tensor([0.30, 0.10]), torch.tensor([0.15, 0.05])),
        (torch.tensor([0.50, 0.40, 0.20, 0.30]), torch.tensor([0.10, 0.40, 0.15, 0.02])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            each_by_its_maximum,
            "Each map is divided by its own maximum. A weak noise then looks as strong as all doubt, and the difference can "
            "come out negative, which BALD never is.",
        ),
        Mistake(
            each_by_its_range,
            "Each map is stretched from its own minimum to its own maximum. Both the zero and the scale are lost.",
        ),
        Mistake(
            lambda all_doubt_G, noise_G: torch.stack([all_doubt_G, noise_G]),
            "One scale, but brightness has to run from 0 to 1: divide both by the largest value on either map.",
        ),
        Mistake(
            lambda all_doubt_G, noise_G: torch.stack([all_doubt_G, noise_G]) / all_doubt_G.sum(),
            "You divided by a sum, as if the map were a distribution. Divide both by the largest value.",
        ),
        Mistake(
            lambda all_doubt_G, noise_G: torch.stack([all_doubt_G, noise_G]) / torch.log(torch.tensor(2.0)),
            "log 2 is the most that a doubt can be. The largest value on these maps is smaller: divide by that one.",
        ),
    ),
)


def nearest_within(batch_B_2):
    distances_B_B = torch.cdist(batch_B_2, batch_B_2)
    distances_B_B.fill_diagonal_(torch.inf)
    return distances_B_B.amin(dim=1).mean()


exercise_4 = Exercise(
    name="two_moons_explorer.exercise_4",
    title="How closely a batch lies together",
    answer=nearest_within,
    explanation="Each point's distance to the nearest other of the batch, averaged. Small: the batch repeats itself.",
    hints=(
        "`torch.cdist(batch, batch)` holds all distances. What is on its diagonal?",
        "Put infinity on the diagonal (`fill_diagonal_`), take the minimum of each row, then the mean.",
    ),
    cases=(
        (torch.tensor([[0.0, 0.0], [0.0, 1.0], [3.0, 0.0]]),),
        (torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.0, 5.2]]),),
        (torch.tensor([[1.0, 2.0], [4.0, 6.0]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda batch_B_2: torch.cdist(batch_B_2, batch_B_2).amin(dim=1).mean(),
            "This is always zero: the nearest point to each point is itself. Leave the diagonal out.",
        ),
        Mistake(
            lambda batch_B_2: torch.pdist(batch_B_2).mean(),
            "You averaged over all pairs. Two tight pairs far from each other would then look well spread.",
        ),
        Mistake(
            lambda batch_B_2: torch.pdist(batch_B_2).min(),
            "This is the one closest pair. Average over the points instead, each with its own nearest neighbour.",
        ),
    ),
)
