"""Exercises of the notebook `mnist_bald`."""

import numpy as np
import torch

from bal_course.exercises.core import Exercise, Mistake, as_array
from bal_utils.acquisition import bald_scores, entropy_scores

CHAPTER = ("12", "Does it work on real images?")

prediction_1 = Exercise(
    name="mnist_bald.prediction_1",
    title="What a committee of twenty costs",
    question="How many times the multiplications of one network does a committee of twenty masks need?",
    choices={"20 times": "about 20 times", "10 times": "about 10 times", "2 times": "about 2 times"},
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
    question="What does the loop ask for when it uses variation ratios of one network?",
    choices={
        "the least certain ten": "the ten it is least certain of",
        "the first ten": "the first ten of the pool",
        "a random ten": "a random ten",
    },
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
    title="Numbers that this protocol cannot give",
    question="With ten labels a round, how many of these ten numbers are impossible?",
    answer=8,
    explanation="After n rounds 10 n images have been acquired. Eight of the ten numbers end in 5.",
    hints=("How many images have been acquired after one round, two, three?", "Look at the last digits."),
    mistakes=(
        Mistake(2, "Those two are the possible ones: they end in 0."),
        Mistake(10, "Two of them end in 0, and ten a round can give them."),
        Mistake(0, "After n rounds 10 n images have been acquired. Which last digits can that have?"),
    ),
)

prediction_4 = Exercise(
    name="mnist_bald.prediction_4",
    title="The deviation of one pass, collected a hundred times",
    question="What does a loop buy that sorts its candidates by this score?",
    choices={
        "the most disputed": "the images the passes dispute most",
        "the same as one network's entropy": "what one network is unsure about",
        "arbitrary images": "arbitrary images",
    },
    answer="arbitrary images",
    explanation="A hundred equal numbers have the standard deviation zero. All scores are equal, and the order is arbitrary.",
    hints=("What is the standard deviation of 0.7, 0.7, 0.7, …?", "Then what are the scores of two different images?"),
    mistakes=(
        Mistake("the most disputed", "For that the passes must differ. Here one and the same pass is collected."),
        Mistake(
            "the same as one network's entropy",
            "The spread over the passes is measured, not the spread over the classes. Equal passes have no spread.",
        ),
    ),
)

prediction_5 = Exercise(
    name="mnist_bald.prediction_5",
    title="A hundred at a time, after the first hundred",
    question="After the first hundred labels that BALD chose, is it ahead of random, level with it, or behind?",
    choices={"ahead": "ahead", "level": "level", "behind": "behind"},
    answer="behind",
    explanation="All hundred were chosen by a network that had seen twenty images, and many of them are of one kind.",
    hints=(
        "Look at what BALD asks for, ten at a time. Would a hundred be more varied, or less?",
        "The network that chose them has seen twenty images. All hundred are chosen by that one network.",
    ),
    mistakes=(
        Mistake("ahead", "Each label would be worth more than a random one by itself. A hundred of a kind are not."),
        Mistake("level", "The two differ by many points there. Think of what the hundred have in common."),
    ),
)


def mean_std(predict, num_samples):
    collected = []
    for k in range(num_samples):
        collected.append(predict(k))
    return np.std(collected, axis=0).mean(axis=1)


class Passes:
    """Probabilities of K passes for N images, one pass a call: `Passes(seed)(k)` is probs_N_C."""

    def __init__(self, seed: int, num_images: int = 4, num_classes: int = 3) -> None:
        self.seed, self.shape = seed, (num_images, num_classes)

    def __call__(self, k: int) -> np.ndarray:
        return np.random.default_rng((self.seed, k)).dirichlet(np.ones(self.shape[1]), self.shape[0])

    def __repr__(self) -> str:
        return f"predict_{self.seed}"


def _collected(predict, num_samples):
    return np.array([predict(k) for k in range(num_samples)])


exercise_1 = Exercise(
    name="mnist_bald.exercise_1",
    title="Find the bug",
    answer=mean_std,
    explanation=(
        "The loop must use its index: `predict(k)`, not `predict(0)`. One character, and very probably a row of a famous table."
    ),
    hints=(
        "Run it in your head for two passes. What are the two entries of `collected`?",
        "Which line should depend on k, and does not?",
    ),
    cases=((Passes(0), 5), (Passes(1), 20), (Passes(2, 2, 10), 3)),
    mistakes=(
        Mistake(
            lambda predict, num_samples: np.std([predict(0)] * num_samples, axis=0).mean(axis=1),
            "Still zero everywhere: every turn of the loop collects the same pass.",
        ),
        Mistake(
            lambda predict, num_samples: _collected(predict, num_samples).std(axis=2).mean(axis=0),
            "This is the spread over the classes within a pass. Asked for is the spread over the passes.",
        ),
        Mistake(
            lambda predict, num_samples: _collected(predict, num_samples).std(axis=0, ddof=1).mean(axis=1),
            "Divide by K, not by K − 1: the definition above is that of these K passes.",
        ),
        Mistake(
            lambda predict, num_samples: _collected(predict, num_samples).std(axis=0).sum(axis=1),
            "Take the mean over the classes, not the sum: the definition divides by C.",
        ),
        Mistake(
            lambda predict, num_samples: _collected(predict, num_samples).var(axis=0).mean(axis=1),
            "This is the variance over the passes. Take its square root before the mean over the classes.",
        ),
    ),
)

exercise_2 = Exercise(
    name="mnist_bald.exercise_2",
    title="Largest gaps first",
    question="What does this strategy buy, and what does its curve do?",
    choices={
        "as good": "the same images in another order; it learns as margin does",
        "random": "arbitrary images; it learns as random does",
        "worse": "the images it is surest of; it learns next to nothing",
    },
    answer="worse",
    explanation="A large gap means a sure network. It pays for labels that it could have written itself, and never rises.",
    hints=(
        "Which images have the largest gap between the two best classes?",
        "What does their label tell the network?",
    ),
    mistakes=(
        Mistake(
            "as good", "The order decides which five are bought out of a thousand, and these are the other end of it."
        ),
        Mistake("random", "The gaps differ from image to image, so there are no ties to break."),
    ),
)

exercise_3 = Exercise(
    name="mnist_bald.exercise_3",
    title="Whose batch is it?",
    answer="B",
    explanation=(
        "One digit fills almost half of it, and ones are missing: about a one the masks seldom contradict each other. C is "
        "entropy's; its other two runs bought one and three ones, so a batch without ones need not be BALD's."
    ),
    hints=(
        "Which batch could be a random draw from the pool?",
        "Two batches have a favourite digit. Which digit did BALD hardly ask for above?",
    ),
    mistakes=(
        Mistake("A", "Every class occurs about as often as in the pool: this is random's."),
        Mistake(
            "C",
            "It holds 42 ones. BALD bought none in its three runs: about a one the masks seldom contradict each other.",
        ),
    ),
)


def contest(probs_N_K_C) -> str | None:
    """What happens on a pool: "BALD wins", or what is missing; None where nothing was given."""
    if probs_N_K_C is None:
        return None
    probs = as_array(probs_N_K_C)
    if probs.dtype.kind not in "fiu" or probs.ndim != 3 or min(probs.shape) < 2:
        return "not N images, K networks and C classes"
    if probs.min() < 0 or not np.allclose(probs.sum(axis=-1), 1, atol=1e-6):
        return "not probabilities"
    log_probs_N_K_C = torch.tensor(probs, dtype=torch.float64).log()
    entropy_N, bald_N = entropy_scores(log_probs_N_K_C), bald_scores(log_probs_N_K_C)
    if any((scores_N.max() - scores_N < 1e-6).sum() > 1 for scores_N in (entropy_N, bald_N)):
        return "a tie"
    if entropy_N.argmax() == bald_N.argmax():
        return "one favourite for both"
    return "BALD wins" if bald_N[entropy_N.argmax()] <= 0.05 and bald_N.max() >= 0.5 else "too little between them"


exercise_4 = Exercise(
    name="mnist_bald.exercise_4",
    title="A pool on which BALD beats entropy",
    answer="BALD wins",
    explanation=(
        "For example `[[[0.5, 0.5], [0.5, 0.5]], [[0.97, 0.03], [0.01, 0.99]]]`: a coin toss on which all agree, and an image "
        "on which two sure networks contradict each other. Entropy buys the coin toss."
    ),
    hints=(
        "Entropy wants the image whose mean is flattest. Make that one a coin toss on which all networks agree.",
        "BALD wants sure networks that contradict each other. Let their mean be a little less flat than the coin toss.",
    ),
    mistakes=(
        Mistake(
            "one favourite for both",
            "Both scores ask for the same image. Give entropy a coin toss on which all networks agree, a little flatter.",
        ),
        Mistake(
            "a tie", "Two images share the highest score. Make the coin toss a little flatter than the disputed mean."
        ),
        Mistake(
            "too little between them",
            "Their favourites differ, but not by enough: make the networks surer where they contradict each other.",
        ),
        Mistake(
            "not probabilities", "Every network's probabilities must be at least 0 and sum to one over the classes."
        ),
        Mistake(
            "not N images, K networks and C classes",
            "Three dimensions are needed, each of at least two: images, networks, classes.",
        ),
    ),
)
