"""Exercises of the notebook `start_here`."""

import numpy as np
import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("00", "the loop, the score, and how to compare")

prediction_1 = Exercise(
    name="start_here.prediction_1",
    title="Which image would you buy?",
    answer="B",
    explanation="On B the networks contradict each other most: whatever the label, most of them have to change their mind.",
    hints=(
        "Ask of each image: after I see its label, how many of the twenty networks must change their mind?",
        "On A none must. On C the networks are less sure, one by one, and fewer of them contradict each other.",
    ),
    mistakes=(
        Mistake("A", "All twenty networks agree on A, so its label would tell them what they already believe."),
        Mistake(
            "C", "On C more of the doubt is inside each network. A label there settles a toss-up and teaches less."
        ),
    ),
)


def labels_to_reach(labels, accuracy, threshold):
    reached = np.asarray(accuracy) >= threshold
    return float(np.asarray(labels)[reached][0]) if reached.any() else float("inf")


def place_of_first(labels, accuracy, threshold):
    reached = np.asarray(accuracy) >= threshold
    return float(np.argmax(reached)) if reached.any() else float("inf")


def first_even_if_never(labels, accuracy, threshold):
    return float(np.asarray(labels)[np.argmax(np.asarray(accuracy) >= threshold)])


def above_ever_after(labels, accuracy, threshold):
    stays = np.minimum.accumulate(np.asarray(accuracy)[::-1])[::-1] >= threshold
    return float(np.asarray(labels)[stays][0]) if stays.any() else float("inf")


exercise_1 = Exercise(
    name="start_here.exercise_1",
    title="Labels to reach an accuracy",
    answer=labels_to_reach,
    explanation="The first count at which the curve touches the threshold; infinity says that it never did.",
    hints=(
        "`np.asarray(accuracy) >= threshold` is True at every round that is good enough.",
        "Index the labels with that mask and take the first. Mind the curve on which no entry is True.",
    ),
    cases=(
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.90),
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.95),
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.99),
    ),
    mistakes=(
        Mistake(
            place_of_first, "You return the place of the round in the list. Return the number of labels at that place."
        ),
        Mistake(
            first_even_if_never,
            "`np.argmax` of a mask without a True is 0, so a curve that never gets there seems to be there at once.",
        ),
        Mistake(
            lambda labels, accuracy, threshold: labels_to_reach(labels, accuracy, np.nextafter(threshold, 1)),
            "A curve that touches the threshold has reached it: compare with `>=`, not with `>`.",
        ),
        Mistake(
            above_ever_after,
            "You ask the curve to stay above the threshold. The papers count the first crossing, noise and all.",
        ),
    ),
)


def least_confidence(probs):
    return 1 - probs.max(dim=-1).values


exercise_2 = Exercise(
    name="start_here.exercise_2",
    title="Least confidence",
    answer=least_confidence,
    explanation="The less the favourite gets, the more the image is wanted: higher = acquire.",
    hints=(
        "`probs.max(dim=-1).values` is the probability of each favourite.",
        "Turn it round, so that unsure is high.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3]]),),
        (torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]]),),
    ),
    mistakes=(
        Mistake(
            lambda probs: probs.max(dim=-1).values,
            "This is highest where the model is surest. Higher must mean: acquire.",
        ),
        Mistake(
            lambda probs: probs.argmax(dim=-1), "`argmax` names the favourite class. Its probability is what you need."
        ),
        Mistake(
            lambda probs: 1 - probs.max().reshape(1),
            "One number came back. Take the maximum over the classes: `dim=-1`.",
        ),
    ),
)


def bald(probs):
    after = torch.special.entr(probs.mean(dim=0)).sum()
    before = torch.special.entr(probs).sum(dim=-1).mean()
    return after - before


exercise_3 = Exercise(
    name="start_here.exercise_3",
    title="BALD by hand",
    answer=bald,
    explanation="Entropy after averaging, minus the average of the entropies: what the networks do not agree on.",
    hints=(
        "`torch.special.entr(p)` is -p log p, and 0 where p is 0. Sum it over the classes.",
        "Average over the networks first, then take the entropy: all the doubt. Then the other way round: the noise.",
        "All doubt minus noise.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]),),
        (torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),),
        (torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]),),
    ),
    mistakes=(
        Mistake(lambda probs: -bald(probs), "The sign is turned: noise minus all doubt is never positive."),
        Mistake(
            lambda probs: torch.special.entr(probs.mean(dim=0)).sum(), "This is all the doubt. Take off the noise."
        ),
        Mistake(
            lambda probs: torch.special.entr(probs).sum(dim=-1).mean(),
            "This is the noise. It has to be taken off all the doubt.",
        ),
        Mistake(
            lambda probs: bald(probs) / np.log(2),
            "These are bits: your logarithm has base 2. The course counts in nats.",
        ),
        Mistake(
            lambda probs: torch.special.entr(probs.mean(dim=0)).sum() - torch.special.entr(probs).sum(),
            "You sum the networks' entropies. Average them: divide by their number.",
        ),
    ),
)

exercise_4 = Exercise(
    name="start_here.exercise_4",
    title="A colleague's test set",
    answer="A",
    explanation="BALD collects what the model finds hard, so a test on it looks worse than the model is on new images.",
    hints=("What kind of image does BALD ask for?", "Would a new image, drawn at random, be as hard?"),
    mistakes=(
        Mistake(
            "B", "The images were picked because the networks contradict each other there: few of those come easily."
        ),
        Mistake(
            "C", "That would hold for images drawn at random. These were chosen, by the model that is being tested."
        ),
    ),
)
